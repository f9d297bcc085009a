// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
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

// What is done with a member of one type, whatever it is a member of.
struct MemberCodec {
  TypeDescription (*describe)();
  std::string (*print)(const void* member);
  Result<void> (*read)(const Node& node, void* member);
};

template <class M>
inline constexpr MemberCodec kMemberCodec = {
    [] { return Codec<M>::describe(); },
    [](const void* member) { return Codec<M>::print(*static_cast<const M*>(member)); },
    [](const Node& node, void* member) -> Result<void> {
      Result<M> value = Codec<M>::read(node);
      if (!value) return fail(std::move(value.error()));
      *static_cast<M*>(member) = std::move(*value);
      return {};
    },
};

// What of a table does not depend on its type, and is compiled once for all: a member is known by where in a value it
// lies. There are 750 fields, and with code for each type and member every one of them took 50 ms to compile.
//
// Thread safety: immutable once built.
class TableBase {
 public:
  const TableDescription& description() const { return description_; }

 protected:
  using Checker = std::function<Result<void>(const void* value, const Node& node)>;

  TableBase(std::string_view name, std::string_view help);
  TableBase(const TableBase&);
  ~TableBase();

  // `defaults` is a value with every default, and `member` a member of it.
  void add_field(std::string_view key, const MemberCodec& codec, const void* defaults, const void* member,
                 const FieldOptions& options);
  void add_inner(const TableBase& inner, const void* defaults, const void* member);
  void add_refused(std::string_view key, std::string_view why);
  void add_check(Checker check);
  Result<void> read_into(const Node& node, void* value) const;

 private:
  struct Field {
    const MemberCodec* codec;  // of static storage
    std::ptrdiff_t offset;     // of the member, in bytes
  };
  struct Check {
    std::ptrdiff_t offset;  // of what is checked: 0, or that of an embedded member
    Checker check;
  };

  TableDescription description_;
  std::vector<Field> fields_;  // one for each in description_
  std::vector<Check> checks_;
};

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
class Table : public TableBase {
 public:
  Table(std::string_view name, std::string_view help) : TableBase(name, help) {}

  template <class M>
  Table& field(std::string_view key, M T::* member, const FieldOptions& options) {
    add_field(key, kMemberCodec<M>, &defaults(), &(defaults().*member), options);
    return *this;
  }

  // The keys of M stand in this same map ("inline"): for HTTP client settings inside a scrape configuration.
  template <class M>
  Table& embed(M T::* member, const Table<M>& inner) {
    add_inner(inner, &defaults(), &(defaults().*member));
    return *this;
  }

  // A key of the models we follow that we do not have: an error that says why, not "unknown key".
  Table& refuse(std::string_view key, std::string_view why) {
    add_refused(key, why);
    return *this;
  }

  // Runs after all fields are read; reports with node.error().
  Table& check(std::function<Result<void>(const T&, const Node&)> check) {
    add_check([check = std::move(check)](const void* value, const Node& node) {
      return check(*static_cast<const T*>(value), node);
    });
    return *this;
  }

  Result<T> read(const Node& node) const {
    Result<T> value{T{}};
    if (auto done = read_into(node, &*value); !done) return fail(std::move(done.error()));
    return value;
  }

 private:
  static const T& defaults() {
    static const T value{};
    return value;
  }
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
