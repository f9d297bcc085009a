// SPDX-License-Identifier: Apache-2.0
#include "collector/exposition/excerpt.h"

#include "core/ring/labels.h"

namespace collector::exposition {

std::string quote_excerpt(std::string_view text) {
  if (text.size() <= kExcerptBytesMax) return core::ring::go_quote(text);
  return core::ring::go_quote(text.substr(0, kExcerptBytesMax)) + "...";
}

}  // namespace collector::exposition
