// SPDX-License-Identifier: Apache-2.0
#include "core/config/node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <deque>
#include <fstream>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "core/check.h"

namespace core::config {

namespace {

constexpr std::size_t kTextLimit = 16 << 20;
// Every value of the document, those behind an alias counted again at each use: an alias bomb ends here.
constexpr std::size_t kValueLimit = 1'000'000;
// Levels of maps and lists, those behind an alias included. Real files have about ten.
constexpr int kDepthLimit = 100;

enum class Kind { kNull, kScalar, kSequence, kMap };

}  // namespace

struct Node::Value {
  Kind kind = Kind::kNull;
  bool quoted = false;
  bool complete = true;  // false while its children are still being read: an alias to it would be a cycle
  int line = 0;
  int column = 0;
  int height = 0;          // levels below this one
  std::size_t weight = 1;  // values in it, itself included
  std::string scalar;
  std::vector<const Value*> items;
  std::vector<std::pair<const Value*, const Value*>> pairs;
};

struct Node::Document {
  std::string text;
  std::string file;
  std::deque<Value> values;  // a deque keeps its elements in place
  const Value* root = nullptr;

  static Result<std::shared_ptr<const Document>> read(std::string_view text, std::string file);
  class Builder;
};

namespace {

// Thrown out of the event callbacks; caught in Document::read.
struct Refusal {
  int line;
  int column;
  std::string message;
};

// Where byte `offset` of `text` stands, from 1.
Refusal refusal_at(std::string_view text, std::size_t offset, std::string message) {
  const std::string_view before = text.substr(0, offset);
  const auto line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return {static_cast<int>(std::ranges::count(before, '\n')) + 1, static_cast<int>(offset - line_start) + 1,
          std::move(message)};
}

// The length of the UTF-8 sequence at the start of `text`; 0 if it is none (RFC 3629: no overlong forms, no
// surrogates).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return length;
}

// yaml-cpp replaces broken UTF-8 silently and takes \x04 for the end of the text, so both are refused before it reads.
std::optional<Refusal> check_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
      return refusal_at(text, i, fmt::format("control character 0x{:02x}", byte));
    }
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) return refusal_at(text, i, "not UTF-8");
    i += length;
  }
  return std::nullopt;
}

// What yaml-cpp says, in words that help to mend the file.
std::string plain_words(std::string_view message) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords = {{
      {"illegal map value", "a \":\" where no key can stand: check the indentation, or quote the text"},
      {"end of map not found", "this does not belong to the map above it: check the indentation"},
      {"end of sequence not found", "this does not belong to the list above it: check the indentation"},
      {"end of sequence flow not found", "a list opened with \"[\" is not closed"},
      {"end of map flow not found", "a map opened with \"{\" is not closed"},
      {"unknown token", "a text cannot start with this character: quote it"},
      {"the referenced anchor is not defined", "no anchor of this name before its alias"},
  }};
  for (const auto& [theirs, ours] : kWords) {
    if (message == theirs) return std::string(ours);
  }
  return std::string(message);
}

bool starts_with_tab_indent(std::string_view text, int line) {
  std::size_t start = 0;
  for (int i = 1; i < line && start != std::string_view::npos; ++i) {
    start = text.find('\n', start);
    if (start != std::string_view::npos) ++start;
  }
  if (start == std::string_view::npos) return false;
  const std::size_t content = text.find_first_not_of(" \t", start);
  return text.substr(start, content - start).find('\t') != std::string_view::npos;
}

std::size_t skip(std::string_view text, std::size_t at, std::string_view characters) {
  return std::min(text.find_first_not_of(characters, at), text.size());
}

// The offset behind the scalar that starts at `at` in the source (its tag and anchor skipped); npos if it is in quotes
// that are never closed, which yaml-cpp accepts.
std::size_t end_of_scalar(std::string_view text, std::size_t at, const std::string& value) {
  while (at < text.size() && (text[at] == '!' || text[at] == '&')) {
    at = skip(text, std::min(text.find_first_of(" \t\r\n", at), text.size()), " \t\r\n");
  }
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return at + value.size();
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || at + 1 >= text.size() || text[at + 1] != quote) return at + 1;
      ++at;
    }
  }
  return std::string_view::npos;
}

bool is_null_word(std::string_view text, std::size_t at) {
  const std::string_view word = text.substr(at, text.find_first_of(" \t\r\n,]}#", at) - at);
  return word == "~" || word == "null" || word == "Null" || word == "NULL";
}

}  // namespace

// Builds the tree from yaml-cpp's events. Its marks count lines and columns from 0, columns in bytes.
class Node::Document::Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Document& document) : document_(document) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp takes text behind the end of a document for another one; without its "---" it would be lost silently.
    const std::string_view rest = std::string_view(document_.text).substr(static_cast<std::size_t>(mark.pos));
    if (started_ && !rest.starts_with("---")) {
      throw refuse(mark, "this does not belong to the value above it: check the indentation");
    }
    if (started_) throw AnotherDocument{};
    started_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Value& value = make(mark, Kind::kNull);
    if (!open_.empty() && !is_null_word(document_.text, static_cast<std::size_t>(mark.pos)) && anchor == 0) {
      // An empty value's mark is the next token's.
      const Frame& frame = open_.back();
      const Value& near = frame.key != nullptr ? *frame.key : *frame.map_or_list;
      value.line = near.line;
      value.column = near.column;
      if (frame.key != nullptr) require_colon(frame);
    }
    finish(value, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Value* target = anchors_.contains(anchor) ? anchors_[anchor] : nullptr;
    if (target == nullptr || !target->complete) throw refuse(mark, "an alias inside the value it stands for");
    scalar_end_ = std::string_view::npos;
    place(target);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& scalar) override {
    Value& value = make(mark, Kind::kScalar);
    value.scalar = scalar;
    value.quoted = check_tag(mark, tag, {"str"}, {"int", "float", "bool", "null"});
    const std::size_t end = end_of_scalar(document_.text, static_cast<std::size_t>(mark.pos), scalar);
    if (end == std::string_view::npos) throw refuse(mark, "a text in quotes is not closed");
    scalar_end_ = end;
    finish(value, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    check_tag(mark, tag, {}, {"seq"});
    open(mark, Kind::kSequence, anchor, style);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    check_tag(mark, tag, {}, {"map"});
    open(mark, Kind::kMap, anchor, style);
  }
  void OnMapEnd() override { close(); }

  struct AnotherDocument {};

 private:
  struct Frame {
    Value* map_or_list = nullptr;
    bool flow = false;           // in brackets or braces
    const Value* key = nullptr;  // of a map, read but without its value yet
    std::size_t key_end = 0;     // offset behind it in the source
    std::unordered_map<std::string_view, const Value*> keys;
    std::vector<const Value*> merges;  // values of "<<"
  };

  Refusal refuse(const YAML::Mark& mark, std::string message) const {
    return {mark.line + 1, mark.column + 1, std::move(message)};
  }
  Refusal refuse(const Value& value, std::string message) const {
    return {value.line, value.column, std::move(message)};
  }

  // True for a text in quotes or tagged as text. Tags outside YAML's core are refused: nothing here would read them.
  bool check_tag(const YAML::Mark& mark, const std::string& tag, std::initializer_list<std::string_view> quoting,
                 std::initializer_list<std::string_view> plain) const {
    if (tag == "!") return true;
    if (tag.empty() || tag == "?") return false;
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    if (tag.starts_with(kCore)) {
      const std::string_view name = std::string_view(tag).substr(kCore.size());
      if (std::ranges::find(quoting, name) != quoting.end()) return true;
      if (std::ranges::find(plain, name) != plain.end()) return false;
    }
    throw refuse(mark, fmt::format("the tag {} is not supported here", tag));
  }

  Value& make(const YAML::Mark& mark, Kind kind) {
    Value& value = document_.values.emplace_back();
    value.kind = kind;
    value.line = mark.line + 1;
    value.column = mark.column + 1;
    return value;
  }

  void open(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
    if (open_.size() >= kDepthLimit) throw refuse(mark, fmt::format("nested deeper than {} levels", kDepthLimit));
    Value& value = make(mark, kind);
    value.complete = false;
    if (anchor != 0) anchors_[anchor] = &value;
    open_.emplace_back().map_or_list = &value;
    open_.back().flow = style == YAML::EmitterStyle::Flow;
  }

  void close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    for (const Value* merged : frame.merges) merge(frame, *merged);
    frame.map_or_list->complete = true;
    place(frame.map_or_list);
  }

  void finish(Value& value, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = &value;
    place(&value);
  }

  // Puts a value where it belongs: into the open map or list, or as the root.
  void place(const Value* value) {
    if (open_.empty()) {
      document_.root = value;
      return;
    }
    Frame& frame = open_.back();
    if (frame.map_or_list->kind == Kind::kSequence) {
      frame.map_or_list->items.push_back(value);
      grow(frame, *value);
    } else if (frame.key == nullptr) {
      if (value->kind != Kind::kScalar) throw refuse(*value, "a key must be a text");
      frame.key = value;
      frame.key_end = scalar_end_;
    } else {
      add_pair(frame, value);
    }
  }

  void add_pair(Frame& frame, const Value* value) {
    const Value* key = std::exchange(frame.key, nullptr);
    grow(frame, *key);
    grow(frame, *value);
    if (key->scalar == "<<" && !key->quoted) {
      frame.merges.push_back(value);
      return;
    }
    if (const auto [before, fresh] = frame.keys.emplace(key->scalar, key); !fresh) {
      throw refuse(*key, fmt::format("key \"{}\" given twice in one map (first at {}:{})", key->scalar,
                                     before->second->line, before->second->column));
    }
    frame.map_or_list->pairs.emplace_back(key, value);
  }

  // "<<: *map" or "<<: [*one, *two]": keys of the map itself win, then those of the earlier map.
  void merge(Frame& frame, const Value& merged) {
    if (merged.kind == Kind::kSequence) {
      for (const Value* each : merged.items) {
        if (each->kind != Kind::kMap) throw refuse(*each, "\"<<\" merges a map or a list of maps");
        merge(frame, *each);
      }
      return;
    }
    if (merged.kind != Kind::kMap) throw refuse(merged, "\"<<\" merges a map or a list of maps");
    for (const auto& pair : merged.pairs) {
      if (frame.keys.emplace(pair.first->scalar, pair.first).second) frame.map_or_list->pairs.push_back(pair);
    }
  }

  void grow(const Frame& frame, const Value& part) {
    frame.map_or_list->height = std::max(frame.map_or_list->height, part.height + 1);
    frame.map_or_list->weight += part.weight;
    if (static_cast<int>(open_.size()) + part.height > kDepthLimit) {
      throw refuse(part, fmt::format("nested deeper than {} levels", kDepthLimit));
    }
    if (frame.map_or_list->weight > kValueLimit || document_.values.size() > kValueLimit) {
      throw refuse(part, fmt::format("more than {} values (aliases counted at each use)", kValueLimit));
    }
  }

  // A line "key" without a colon would otherwise be a key without a value.
  void require_colon(const Frame& frame) const {
    if (frame.key_end == std::string_view::npos) return;  // an alias as key
    const std::string_view all = document_.text;
    const auto bracket = std::ranges::find(open_, true, &Frame::flow);
    const std::size_t next = skip(all, frame.key_end, bracket == open_.end() ? " \t" : " \t\r\n");
    if (next >= all.size() && bracket != open_.end()) {
      throw refuse(*bracket->map_or_list, "a list or map opened here is not closed");
    }
    if (next < all.size() && all[next] == ':') return;
    throw refuse(*frame.key, fmt::format("expected \":\" after key \"{}\"{}", frame.key->scalar,
                                         bracket == open_.end() ? "" : " (or quotes around the text with the brace)"));
  }

  Document& document_;
  bool started_ = false;
  std::size_t scalar_end_ = 0;
  std::vector<Frame> open_;
  std::unordered_map<YAML::anchor_t, Value*> anchors_;
};

Result<std::shared_ptr<const Node::Document>> Node::Document::read(std::string_view text, std::string file) {
  const auto refused = [&file](const Refusal& refusal) {
    return fail(Errc::kInvalid, "{}:{}:{}: {}", file, refusal.line, refusal.column, refusal.message);
  };
  if (text.size() > kTextLimit) return refused({1, 1, fmt::format("larger than {} MiB", kTextLimit >> 20)});
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (const auto bad = check_text(text)) return refused(*bad);

  auto document = std::make_shared<Document>();
  document->text = text;
  document->file = file;
  Builder builder(*document);
  try {
    std::istringstream stream(document->text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Builder::AnotherDocument&) {
    // Only the first document counts, as in Prometheus.
  } catch (const Refusal& refusal) {
    return refused(refusal);
  } catch (const YAML::Exception& exception) {
    const int line = exception.mark.line + 1;
    if (starts_with_tab_indent(document->text, line)) {
      return refused({line, 1, "a tab in the indentation: YAML wants spaces"});
    }
    return refused({line, exception.mark.column + 1, plain_words(exception.msg)});
  }
  if (document->root == nullptr) {
    Value& nothing = document->values.emplace_back();
    nothing.line = nothing.column = 1;
    document->root = &nothing;
  }
  return document;
}

std::string Position::to_string() const { return line == 0 ? file : fmt::format("{}:{}:{}", file, line, column); }

Node::Node() = default;

Node::Node(std::shared_ptr<const Document> document, const Value* value)
    : document_(std::move(document)), value_(value) {}

Result<Node> Node::parse(std::string_view text, std::string file) {
  auto document = Document::read(text, std::move(file));
  if (!document) return fail(document.error());
  const Value* root = (*document)->root;
  return Node(std::move(*document), root);
}

Result<Node> Node::parse_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  std::array<char, 16384> piece{};
  // A little more than the limit shows that it is passed.
  while (stream && text.size() <= kTextLimit) {
    stream.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad() || (stream.fail() && !stream.eof())) return fail(Errc::kNotFound, "{}: cannot be read", path);
  return parse(text, path);
}

bool Node::is_null() const { return value_ == nullptr || value_->kind == Kind::kNull; }
bool Node::is_scalar() const { return value_ != nullptr && value_->kind == Kind::kScalar; }
bool Node::is_sequence() const { return value_ != nullptr && value_->kind == Kind::kSequence; }
bool Node::is_map() const { return value_ != nullptr && value_->kind == Kind::kMap; }
bool Node::is_quoted() const { return is_scalar() && value_->quoted; }

const std::string& Node::scalar() const {
  CHECK(is_scalar(), "scalar() of a node that is none");
  return value_->scalar;
}

std::vector<Node> Node::items() const {
  std::vector<Node> nodes;
  if (!is_sequence()) return nodes;
  nodes.reserve(value_->items.size());
  for (const Value* item : value_->items) nodes.push_back(Node(document_, item));
  return nodes;
}

std::vector<Entry> Node::entries() const {
  std::vector<Entry> entries;
  if (!is_map()) return entries;
  entries.reserve(value_->pairs.size());
  for (const auto& [key, value] : value_->pairs) entries.push_back({Node(document_, key), Node(document_, value)});
  return entries;
}

Node Node::find(std::string_view key) const {
  if (!is_map()) return {};
  const auto pair = std::ranges::find_if(value_->pairs, [key](const auto& each) { return each.first->scalar == key; });
  return pair == value_->pairs.end() ? Node() : Node(document_, pair->second);
}

std::string Node::describe() const {
  if (is_map()) return "a map";
  if (is_sequence()) return "a list";
  if (is_null()) return "nothing";
  constexpr std::size_t kShown = 80;
  const std::string& text = value_->scalar;
  return text.size() <= kShown ? fmt::format("\"{}\"", text) : fmt::format("\"{}...\"", text.substr(0, kShown));
}

Position Node::position() const {
  if (value_ == nullptr) return {};
  return {document_->file, value_->line, value_->column};
}

std::string_view Node::source_text() const { return document_ == nullptr ? std::string_view() : document_->text; }

Error Node::error_text(std::string message) const {
  const std::string place = position().to_string();
  return {Errc::kInvalid, place.empty() ? std::move(message) : place + ": " + message};
}

}  // namespace core::config
