// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace core::aws {

// An element of an XML document with the text directly in it; attributes are not kept.
//
// Thread safety: a value.
struct XmlElement {
  std::string name;
  std::string text;
  std::vector<XmlElement> children;

  // The first child of that name, or of a path of names: "placement/availabilityZone". Null if absent.
  const XmlElement* find(std::string_view path) const;
  // Its text; "" if absent.
  std::string_view text_of(std::string_view path) const;
  // Its children; none if absent.
  const std::vector<XmlElement>& items_of(std::string_view path) const;
};

// The root element. kInvalid with line and column for what is not well-formed, has a document type, or nests deeper
// than any answer does; kLimitExceeded for too many elements.
Result<XmlElement> parse_xml(std::string_view text);

}  // namespace core::aws
