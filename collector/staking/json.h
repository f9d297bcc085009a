// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace collector::staking {

// A parsed JSON answer, asked by path ("data/finalized/epoch"). What is missing or of another kind is absent, never a
// default: who asks decides what that means.
//
// Thread safety: immutable after construction; cheap to copy.
class Json {
 public:
  // kInvalid for what is not one whole JSON value: an HTML page, a body that was cut off.
  static core::Result<Json> parse(std::string_view text);

  bool has(std::string_view path) const;
  bool is_object(std::string_view path = {}) const;
  bool is_array(std::string_view path = {}) const;
  bool is_null(std::string_view path) const;
  std::optional<bool> flag(std::string_view path) const;
  std::optional<std::string> text(std::string_view path) const;
  // A whole number of 64 bits, written as one or as a decimal text: clients differ.
  std::optional<std::uint64_t> number(std::string_view path) const;
  // A hexadecimal quantity of JSON-RPC: "0x1a", at most 64 bits.
  std::optional<std::uint64_t> quantity(std::string_view path) const;
  // The elements of an array; empty for anything else.
  std::vector<Json> items(std::string_view path = {}) const;

 private:
  struct Document;
  Json(std::shared_ptr<const Document> document, const void* value) : document_(std::move(document)), value_(value) {}
  const void* find(std::string_view path) const;

  std::shared_ptr<const Document> document_;
  const void* value_ = nullptr;  // into the document
};

// A decimal text, whole and of 64 bits.
std::optional<std::uint64_t> parse_number(std::string_view text);
// "0x1a"; no more than 64 bits.
std::optional<std::uint64_t> parse_quantity(std::string_view text);

}  // namespace collector::staking
