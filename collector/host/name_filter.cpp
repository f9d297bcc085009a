// SPDX-License-Identifier: Apache-2.0
#include "collector/host/name_filter.h"

#include <re2/re2.h>

#include "core/check.h"

namespace collector::host {
namespace {

// Bytes of memory for one expression; RE2 gives up beyond, and says so when it compiles.
constexpr std::int64_t kExpressionMemoryMax = 8 << 20;

std::shared_ptr<const re2::RE2> compile(const std::string& expression) {
  if (expression.empty()) return nullptr;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kExpressionMemoryMax);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  return std::make_shared<const re2::RE2>(expression, options);
}

bool matches(const re2::RE2& expression, std::string_view name) {
  return re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), expression);
}

}  // namespace

core::Result<void> NameFilter::check(const std::string& expression) {
  const auto compiled = compile(expression);
  if (compiled == nullptr || compiled->ok()) return {};
  return core::fail(core::Errc::kInvalid, "invalid regular expression \"{}\": {}", expression, compiled->error());
}

NameFilter::NameFilter(const std::string& include, const std::string& exclude)
    : include_(compile(include)), exclude_(compile(exclude)) {
  CHECK(include_ == nullptr || include_->ok(), "the configuration has checked the expression");
  CHECK(exclude_ == nullptr || exclude_->ok(), "the configuration has checked the expression");
}

bool NameFilter::wants(std::string_view name) const {
  if (include_ != nullptr && !matches(*include_, name)) return false;
  return exclude_ == nullptr || !matches(*exclude_, name);
}

}  // namespace collector::host
