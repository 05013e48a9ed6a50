// Relative names become absolute.
#include "client/model_path.h"

#include <filesystem>
#include <system_error>

namespace precis::client {

std::string AbsolutePath(const std::string& path, const std::string& folder) {
  std::error_code error;
  const std::filesystem::path absolute =
      std::filesystem::absolute(std::filesystem::path(folder) / path, error);
  return error ? path : absolute.lexically_normal().string();
}

void MakeModelPathAbsolute(const std::string& job_file_path, JobFile& file) {
  if (file.spec.model().path().empty()) return;
  const bool beside = file.places["model.path"].source.empty() && job_file_path != "-";
  const std::string folder = beside ? std::filesystem::path(job_file_path).parent_path().string() : "";
  file.spec.mutable_model()->set_path(AbsolutePath(file.spec.model().path(), folder));
}

}  // namespace precis::client
