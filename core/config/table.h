// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/config/codec.h"
#include "core/config/node.h"
#include "core/result.h"

namespace core::config {

// What is said about one key, beside its name and type.
struct FieldOptions {
  std::string_view help = {};     // one sentence
  bool required = false;          // absent is an error
  bool reloadable = true;         // false: a change takes effect at the next start, and a reload says so
  std::string_view example = {};  // a value for the generated example; empty: the default, commented out
};

struct FieldDescription {
  std::string key;
  TypeDescription type;
  std::string default_text;
  FieldOptions options;
};

struct TableDescription {
  std::string name;  // as the reference calls it: <scrape_config>
  std::string help;
  std::vector<FieldDescription> fields;
  std::vector<std::pair<std::string, std::string>> refused;  // key, why
};

// Checks the keys of a map against a table's: kInvalid at the first unknown key, with the nearest known key as a hint;
// kNotSupported at a refused one.
Result<void> check_keys(const Node& node, const TableDescription& description);

// The one description of a configuration struct. It alone drives reading, `check config`, the JSON Schema, the
// reference and the example.
//
//   struct RingConfig {
//     ByteSize size{256 << 20};
//     static const Table<RingConfig>& fields();
//   };
//   const Table<RingConfig>& RingConfig::fields() {
//     static const auto table = Table<RingConfig>("ring", "The time-series ring.")
//         .field("size", &RingConfig::size, {.help = "Bytes of the ring's file.", .reloadable = false})
//         .refuse("retention", "the ring has a size, not a retention")
//         .check([](const RingConfig& ring, const Node& node) -> Result<void> { ... node.error(...) ... });
//     return table;
//   }
//
// Defaults are the struct's own initialisers. An absent key, or one whose value is null, keeps the default.
//
// Thread safety: immutable once built.
template <class T>
class Table {
 public:
  Table(std::string_view name, std::string_view help) { description_.name = name, description_.help = help; }

  template <class M>
  Table& field(std::string_view key, M T::* member, FieldOptions options) {
    description_.fields.push_back({std::string(key), Codec<M>::describe(), Codec<M>::print(T{}.*member), options});
    readers_.push_back([member](T& target, const Node& node) -> Result<void> {
      Result<M> value = Codec<M>::read(node);
      if (!value) return fail(value.error());
      target.*member = std::move(*value);
      return {};
    });
    return *this;
  }

  // The keys of M stand in this same map ("inline"): for HTTP client settings inside a scrape configuration.
  template <class M>
  Table& embed(M T::* member, const Table<M>& inner) {
    for (std::size_t i = 0; i < inner.description_.fields.size(); ++i) {
      description_.fields.push_back(inner.description_.fields[i]);
      readers_.push_back(
          [member, read = inner.readers_[i]](T& target, const Node& node) { return read(target.*member, node); });
    }
    for (const auto& each : inner.description_.refused) description_.refused.push_back(each);
    for (const auto& check : inner.checks_) {
      checks_.push_back([member, check](const T& value, const Node& node) { return check(value.*member, node); });
    }
    return *this;
  }

  // A key of the models we follow that we do not have: an error that says why, not "unknown key".
  Table& refuse(std::string_view key, std::string_view why) {
    description_.refused.emplace_back(key, why);
    return *this;
  }

  // Runs after all fields are read; reports with node.error().
  Table& check(std::function<Result<void>(const T&, const Node&)> check) {
    checks_.push_back(std::move(check));
    return *this;
  }

  Result<T> read(const Node& node) const {
    if (!node.is_map() && !node.is_null()) {
      return fail(node.error("expected a map ({}), got {}", description_.name, node.describe()));
    }
    if (auto known = check_keys(node, description_); !known) return fail(known.error());
    T value{};
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      const FieldDescription& field = description_.fields[i];
      const Node given = node.find(field.key);
      if (given.is_null()) {
        if (field.options.required) return fail(node.error("{}: missing key \"{}\"", description_.name, field.key));
        continue;
      }
      if (auto done = readers_[i](value, given); !done) return fail(done.error());
    }
    for (const auto& check : checks_) {
      if (auto done = check(value, node); !done) return fail(done.error());
    }
    return value;
  }

  const TableDescription& description() const { return description_; }

 private:
  template <class>
  friend class Table;

  TableDescription description_;
  std::vector<std::function<Result<void>(T&, const Node&)>> readers_;
  std::vector<std::function<Result<void>(const T&, const Node&)>> checks_;
};

template <class T>
concept HasFields = requires {
  { T::fields() } -> std::same_as<const Table<T>&>;
};

template <HasFields T>
struct Codec<T> {
  static Result<T> read(const Node& node) { return T::fields().read(node); }
  static std::string print(const T&) { return ""; }
  // Described through a function, so that a struct may hold a list of itself (a route's routes).
  static TypeDescription describe() {
    return {"object", {}, []() -> const TableDescription* { return &T::fields().description(); }};
  }
};

}  // namespace core::config
