// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace re2 {
class RE2;
}

namespace collector::host {

// Which names of a kind are wanted: those that `include` matches and `exclude` does not, each anywhere in the name
// unless anchored. An empty expression says nothing. Names are matched byte by byte: a mount point need not be UTF-8.
//
// Thread safety: immutable after construction.
class NameFilter {
 public:
  // kInvalid with the expression and what is wrong with it.
  static core::Result<void> check(const std::string& expression);

  // REQUIRES: check() took both.
  NameFilter(const std::string& include, const std::string& exclude);

  bool wants(std::string_view name) const;

 private:
  std::shared_ptr<const re2::RE2> include_, exclude_;
};

}  // namespace collector::host
