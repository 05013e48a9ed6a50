// The answers of a checkpoint. A digest keeps damage from them, so that they are read without it too.
#include <string>

#include "search/answer.h"
#include "supernet/formats/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using precis::search::AnswersFromBytes;
  using precis::search::AnswersToBytes;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto answers = AnswersFromBytes(bytes);
  if (answers.ok()) PRECIS_CHECK(AnswersFromBytes(AnswersToBytes(*answers)).ok());
  return 0;
}
