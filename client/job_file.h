// A job file becomes a precis.v1.JobSpec.
//
// The proto is the one description of a job: this reader walks the YAML tree and the message's own
// descriptor side by side, so a field added to the proto can be written in a job file at once. Fields are
// named as in the proto; enum values are written without their type's prefix, in lower case
// ("train_loss"). Unset fields are left unset: the server knows the defaults.
//
// Threading: pure functions. Nothing throws.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/yaml_document.h"
#include "precis/v1/job.pb.h"

namespace precis::client {

// One thing wrong with a job file.
struct Fault {
  Place place;          // line 0 and no source: nowhere in the file (something is missing)
  std::string path;     // "space.formats[2]"
  std::string message;  // a sentence
};

struct JobFile {
  v1::JobSpec spec;           // what could be read
  std::vector<Fault> faults;  // every fault that can be seen without the server, in order of place
  // Where each path that was given stands ("space", "space.formats", "space.formats[0]", …).
  std::map<std::string, Place> places;
  // Paths at fault, and those that were probably meant by an unknown name: what the server says of these
  // and of what lies below them is a consequence, not news.
  std::vector<std::string> suspect_paths;
};

// `root` must be a mapping or null (checked by ParseJobFile).
JobFile ReadJobFile(const YamlNode& root);

// Puts "PATH=VALUE" (VALUE in YAML's notation) into the tree: replaces what is there, makes the mappings
// that are missing. INVALID_ARGUMENT if it does not have that form or a part of the path is no mapping.
absl::Status ApplyOverride(absl::string_view assignment, YamlNode& root);

// Text to JobFile with the overrides applied. INVALID_ARGUMENT, "LINE:COLUMN: …" where it applies, if the
// text is not a YAML mapping or an override cannot be applied.
absl::StatusOr<JobFile> ParseJobFile(absl::string_view text, const std::vector<std::string>& overrides);

// "job.yaml:7:12: space.formats[2]: unknown format …"; `file` is how the user named it.
std::string FaultText(const Fault& fault, absl::string_view file);

// What a job file may hold, as an indented list of fields, types and choices: `precis help job-file`.
std::string JobFileHelp();

}  // namespace precis::client
