// Checkpoints: what a job needs to go on after its worker is lost, as files.
//
// FOLDER/checkpoint        the answers that the search has had (search/answer.h), of which plan and which
// version
//                          of Precis they are, which state file belongs to them, and a digest of all that
// FOLDER/state-N.safetensors  the oracle's state after the last of N answers
//
// A checkpoint is written beside the last one (temporary file, fsync, rename) and takes its place by one
// rename: whenever the worker or the machine goes down, one of the two is whole.
//
// Threading: not thread-safe; one worker a folder.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "search/answer.h"
#include "supernet/graph/oracle.h"

namespace precis::server {

class Checkpoints {
 public:
  // `identity`: of the plan and whatever else decides what a search does; a checkpoint of another one is
  // none.
  Checkpoints(std::string folder, std::string identity);

  struct Found {
    std::vector<search::Answer> answers;
    std::string state_path;
  };
  // NOT_FOUND if there is none; FAILED_PRECONDITION for one of another identity; DATA_LOSS, saying what is
  // wrong, for one that is damaged.
  absl::StatusOr<Found> Find() const;

  // Makes the folder if need be. UNAVAILABLE with the path and the system's reason; the last one is then
  // still there.
  absl::Status Write(Oracle& oracle, const std::vector<search::Answer>& answers);

 private:
  const std::string folder_;
  const std::string identity_;
};

}  // namespace precis::server
