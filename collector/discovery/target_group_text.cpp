// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/target_group_text.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/config/node.h"

namespace collector::discovery {
namespace {

using core::Errc;
using core::Result;
using Json = nlohmann::json;

// Where the parser is in the text: the iterator it reads through keeps count.
struct Place {
  int line = 1;
  int column = 0;
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Place* place) : at_(at), place_(place) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (*at_ == '\n') {
      ++place_->line;
      place_->column = 0;
    } else {
      ++place_->column;
    }
    ++at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  Place* place_;
};

// Takes the events of the JSON parser and lets through what a list of groups consists of.
class GroupReader final : public nlohmann::json_sax<Json> {
 public:
  GroupReader(const Place& place, const std::string& name) : place_(place), name_(name) {}

  bool null() override {
    switch (state_) {
      case State::kStart:
        state_ = State::kEnd;  // no groups
        return true;
      case State::kGroups:
        return fail("nil target group item found");
      case State::kTargetsKey:
      case State::kLabelsKey:
        state_ = State::kGroup;
        return true;
      default:
        return fail("expected {}, got null", expected());
    }
  }
  bool boolean(bool) override { return fail("expected {}, got true or false", expected()); }
  bool number_integer(number_integer_t) override { return number(); }
  bool number_unsigned(number_unsigned_t) override { return number(); }
  bool number_float(number_float_t, const string_t&) override { return number(); }
  bool binary(binary_t&) override { return fail("expected {}", expected()); }

  bool string(string_t& value) override {
    if (state_ == State::kTargets) {
      groups_.back().targets.push_back({{std::string(kAddressLabel), value}});
      return true;
    }
    if (state_ == State::kLabels && label_) {
      groups_.back().labels[*label_] = value;
      label_.reset();
      return true;
    }
    return fail("expected {}, got a string", expected());
  }

  bool start_object(std::size_t) override {
    if (state_ == State::kGroups) {
      groups_.push_back({.source = fmt::format("{}:{}", name_, groups_.size()), .targets = {}, .labels = {}});
      state_ = State::kGroup;
      return true;
    }
    if (state_ == State::kLabelsKey) {
      state_ = State::kLabels;
      return true;
    }
    return fail("expected {}, got an object", expected());
  }
  bool key(string_t& key) override {
    if (state_ == State::kLabels) {
      if (key.empty()) return fail("\"\" is not a valid label name");
      label_ = key;
      return true;
    }
    // As Go reads keys: whatever their case.
    std::string folded = key;
    std::transform(folded.begin(), folded.end(), folded.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (folded == "targets") {
      groups_.back().targets.clear();
      state_ = State::kTargetsKey;
    } else if (folded == "labels") {
      state_ = State::kLabelsKey;
    } else {
      return fail("unknown field \"{}\": expected targets or labels", key);
    }
    return true;
  }
  bool end_object() override {
    state_ = state_ == State::kLabels ? State::kGroup : State::kGroups;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kGroups;
    } else if (state_ == State::kTargetsKey) {
      state_ = State::kTargets;
    } else {
      return fail("expected {}, got a list", expected());
    }
    return true;
  }
  bool end_array() override {
    state_ = state_ == State::kTargets ? State::kGroup : State::kEnd;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& problem) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while ...": the place is ours.
    const std::string_view text = problem.what();
    const std::size_t colon = text.find(": ");
    return fail("{}", colon == std::string_view::npos ? text : text.substr(colon + 2));
  }

  std::vector<TargetGroup> take_groups() { return std::move(groups_); }
  const std::string& error() const { return error_; }

 private:
  enum class State { kStart, kGroups, kGroup, kTargetsKey, kTargets, kLabelsKey, kLabels, kEnd };

  bool number() { return fail("expected {}, got a number", expected()); }

  std::string_view expected() const {
    switch (state_) {
      case State::kStart:
        return "a list of target groups";
      case State::kGroups:
        return "a target group";
      case State::kTargetsKey:
        return "a list of targets";
      case State::kTargets:
        return "a target as a string";
      case State::kLabelsKey:
        return "an object of labels";
      case State::kLabels:
        return "a label's value as a string";
      default:
        return "nothing more";
    }
  }

  template <class... Args>
  bool fail(fmt::format_string<Args...> format, Args&&... args) {
    error_ =
        fmt::format("{}:{}:{}: ", name_, place_.line, place_.column) + fmt::format(format, std::forward<Args>(args)...);
    return false;
  }

  const Place& place_;
  const std::string& name_;
  State state_ = State::kStart;
  std::optional<std::string> label_;
  std::vector<TargetGroup> groups_;
  std::string error_;
};

}  // namespace

Result<std::vector<TargetGroup>> parse_json_groups(std::string_view text, const std::string& name) {
  if (text.size() > kListBytesMax) return core::fail(Errc::kInvalid, "{}: more than {} bytes", name, kListBytesMax);
  Place place;
  GroupReader reader(place, name);
  const bool read = Json::sax_parse(CountingIterator(text.data(), &place),
                                    CountingIterator(text.data() + text.size(), &place), &reader);
  if (!read) return core::fail(Errc::kInvalid, "{}", reader.error());
  return reader.take_groups();
}

Result<std::vector<TargetGroup>> parse_yaml_groups(std::string_view text, const std::string& name) {
  if (text.size() > kListBytesMax) return core::fail(Errc::kInvalid, "{}: more than {} bytes", name, kListBytesMax);
  const auto root = core::config::Node::parse(text, name);
  if (!root) return core::fail(root.error());
  if (!root->is_sequence() && !root->is_null()) {
    return core::fail(root->error("expected a list of target groups, got {}", root->describe()));
  }
  std::vector<TargetGroup> groups;
  for (const auto& item : root->items()) {
    if (item.is_null()) return core::fail(item.error("nil target group item found"));
    auto listed = StaticConfig::fields().read(item);
    if (!listed) return core::fail(listed.error());
    TargetGroup group{.source = fmt::format("{}:{}", name, groups.size()), .targets = {}, .labels = listed->labels};
    for (const std::string& target : listed->targets) {
      group.targets.push_back({{std::string(kAddressLabel), target}});
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace collector::discovery
