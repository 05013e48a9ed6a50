// The files of a job: DATA_DIR/jobs/{job}/ with worker.log, weights.safetensors, model.onnx if the job took
// one, and, until it has succeeded, checkpoint/ (server/worker/checkpoint.h).
//
// Threading: thread-safe; ids must be well-formed (IsJobId, checked).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/records.h"

namespace precis::server {

class JobFiles {
 public:
  static constexpr char kWeightsFile[] = "weights.safetensors";
  static constexpr char kModelFile[] = "model.onnx";

  explicit JobFiles(std::string data_dir);

  std::string LogPath(const std::string& job_id) const;
  std::string WeightsPath(const std::string& job_id) const;
  // Of the copy of spec.model.path, if there is one.
  std::string ModelPath(const std::string& job_id) const;
  // Of one of several targets' answers (search::AnswerWeightsPath).
  std::string AnswerWeightsPath(const std::string& job_id, int64_t number) const;

  std::string CheckpointFolder(const std::string& job_id) const;
  // OK if there is none.
  absl::Status RemoveCheckpoint(const std::string& job_id) const;

  // Survives a power cut. RESOURCE_EXHAUSTED if the disk is full, else UNAVAILABLE, naming the folder and the
  // reason.
  absl::Status MakeFolder(const std::string& job_id) const;
  // Makes the folder and in it the copy of a model, whole or not at all. Errors likewise.
  absl::Status KeepModel(const std::string& job_id, const std::string& bytes) const;
  // Size and hash of every weight file and of the model, by name; none if there is no folder. UNAVAILABLE,
  // naming the file, if one cannot be read.
  absl::StatusOr<std::vector<FileRecord>> Describe(const std::string& job_id) const;
  // OK if there is none.
  absl::Status RemoveFolder(const std::string& job_id) const;
  // Ids of the folders there are.
  std::vector<std::string> Folders() const;

  // The last lines of the worker's log that are not empty, joined by " | ", for error messages: at most
  // five, at most about 1000 bytes, valid UTF-8 without control characters. "" if there are none.
  std::string LogTail(const std::string& job_id) const;

 private:
  std::string Folder(const std::string& job_id) const;
  const std::string data_dir_;
};

}  // namespace precis::server
