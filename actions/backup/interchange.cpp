// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/interchange.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using nlohmann::json;

constexpr std::size_t kRootBytes = 32;
constexpr std::size_t kKeyBytes = 48;

// From the networks' published genesis states.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kNetworks = {{
    {"mainnet", "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"},
    {"sepolia", "0xd8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078"},
    {"holesky", "0x9143aa7c615a7f7115e2b6aac319c03529df8242ae705fba9df39b79c59fa8b1"},
    {"hoodi", "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f"},
    {"gnosis", "0xf5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47"},
}};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
  return text;
}

// A member of `object` at `place`: text, or kInvalid.
Result<std::string> text_at(const json& object, const char* key, const std::string& place) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) {
    return fail(Errc::kInvalid, "{}: expected \"{}\" as a string", place, key);
  }
  return object[key].get<std::string>();
}

Result<std::uint64_t> number_at(const json& object, const char* key, const std::string& place) {
  const Result<std::string> text = text_at(object, key, place);
  if (!text) return fail(text.error());
  std::uint64_t value = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), value);
  if (text->empty() || read.ec != std::errc() || read.ptr != text->data() + text->size()) {
    return fail(Errc::kInvalid, "{}: \"{}\" is \"{}\", expected a decimal number", place, key, *text);
  }
  return value;
}

Result<std::string> root_at(const json& object, const std::string& place) {
  if (!object.contains("signing_root") || object["signing_root"].is_null()) return std::string();
  Result<std::string> text = text_at(object, "signing_root", place);
  if (text && !is_hex(*text, kRootBytes)) return fail(Errc::kInvalid, "{}: signing_root is not 32 bytes", place);
  return text.map(lower);
}

// The elements of an array below `object`; absent or null is none.
Result<json::array_t> list_at(const json& object, const char* key, const std::string& place) {
  if (!object.contains(key) || object[key].is_null()) return json::array_t{};
  if (!object[key].is_array()) return fail(Errc::kInvalid, "{}: expected \"{}\" as a list", place, key);
  return object[key].get<json::array_t>();
}

Result<void> parse_key(const json& entry, const std::string& place, Interchange& into) {
  Result<std::string> key = text_at(entry, "pubkey", place);
  if (!key) return fail(key.error());
  if (!is_hex(*key, kKeyBytes)) return fail(Errc::kInvalid, "{}: pubkey is not 48 bytes", place);
  SigningHistory& history = into.keys[lower(std::move(*key))];
  const Result<json::array_t> blocks = list_at(entry, "signed_blocks", place);
  if (!blocks) return fail(blocks.error());
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    const std::string at = fmt::format("{}.signed_blocks[{}]", place, i);
    const Result<std::uint64_t> slot = number_at((*blocks)[i], "slot", at);
    if (!slot) return fail(slot.error());
    Result<std::string> root = root_at((*blocks)[i], at);
    if (!root) return fail(root.error());
    history.blocks.push_back({*slot, std::move(*root)});
  }
  const Result<json::array_t> attestations = list_at(entry, "signed_attestations", place);
  if (!attestations) return fail(attestations.error());
  for (std::size_t i = 0; i < attestations->size(); ++i) {
    const std::string at = fmt::format("{}.signed_attestations[{}]", place, i);
    const Result<std::uint64_t> source = number_at((*attestations)[i], "source_epoch", at);
    if (!source) return fail(source.error());
    const Result<std::uint64_t> target = number_at((*attestations)[i], "target_epoch", at);
    if (!target) return fail(target.error());
    Result<std::string> root = root_at((*attestations)[i], at);
    if (!root) return fail(root.error());
    history.attestations.push_back({*source, *target, std::move(*root)});
  }
  return {};
}

std::string root_member(const std::string& root) {
  return root.empty() ? "" : fmt::format(R"(,"signing_root":"{}")", root);
}

template <class T>
void raise(std::optional<T>& highest, T value) {
  if (!highest || *highest < value) highest = value;
}

}  // namespace

bool is_hex(std::string_view text, std::size_t bytes) {
  if (text.size() != 2 + 2 * bytes || !text.starts_with("0x")) return false;
  return text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
}

std::optional<std::string_view> genesis_validators_root_of(std::string_view network) {
  for (const auto& [name, root] : kNetworks) {
    if (name == network) return root;
  }
  return std::nullopt;
}

Result<Interchange> Interchange::parse(std::string_view text) {
  if (text.size() > kInterchangeBytesMax) {
    return fail(Errc::kLimitExceeded, "interchange: larger than {} bytes", kInterchangeBytesMax);
  }
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("metadata")) {
    return fail(Errc::kInvalid, "interchange: not a JSON object with \"metadata\"");
  }
  const json& metadata = document["metadata"];
  const Result<std::string> version = text_at(metadata, "interchange_format_version", "metadata");
  if (!version) return fail(version.error());
  if (*version != "5") return fail(Errc::kNotSupported, "interchange: format version {}, expected 5", *version);
  Interchange interchange;
  Result<std::string> root = text_at(metadata, "genesis_validators_root", "metadata");
  if (!root) return fail(root.error());
  if (!root->empty() && !is_hex(*root, kRootBytes))
    return fail(Errc::kInvalid, "metadata: genesis_validators_root is not 32 bytes");
  interchange.genesis_validators_root = lower(std::move(*root));
  if (!document.contains("data") || !document["data"].is_array()) {
    return fail(Errc::kInvalid, "interchange: expected \"data\" as a list");
  }
  std::size_t index = 0;
  for (const json& entry : document["data"]) {
    if (auto read = parse_key(entry, fmt::format("data[{}]", index++), interchange); !read) return fail(read.error());
  }
  return interchange;
}

Result<std::string> Interchange::to_json() const {
  std::string text =
      fmt::format(R"({{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"{}"}},"data":[)",
                  genesis_validators_root);
  const char* between_keys = "\n";
  for (const auto& [key, history] : keys) {
    text += fmt::format(R"({}{{"pubkey":"{}","signed_blocks":[)", std::exchange(between_keys, ",\n"), key);
    const char* between = "";
    for (const SignedBlock& block : history.blocks) {
      text += fmt::format(R"({}{{"slot":"{}"{}}})", std::exchange(between, ","), block.slot,
                          root_member(block.signing_root));
    }
    text += R"(],"signed_attestations":[)";
    between = "";
    for (const SignedAttestation& each : history.attestations) {
      text += fmt::format(R"({}{{"source_epoch":"{}","target_epoch":"{}"{}}})", std::exchange(between, ","),
                          each.source_epoch, each.target_epoch, root_member(each.signing_root));
    }
    text += "]}";
    if (text.size() > kInterchangeBytesMax) {
      return fail(Errc::kLimitExceeded, "interchange: larger than {} bytes; use minify", kInterchangeBytesMax);
    }
  }
  text += "\n]}\n";
  return text;
}

Interchange Interchange::minified() const {
  Interchange minimal;
  minimal.genesis_validators_root = genesis_validators_root;
  for (const auto& [key, history] : keys) {
    SigningHistory& kept = minimal.keys[key];
    for (const SignedBlock& block : history.blocks) {
      if (kept.blocks.empty()) kept.blocks.emplace_back();
      kept.blocks.front().slot = std::max(kept.blocks.front().slot, block.slot);
    }
    for (const SignedAttestation& each : history.attestations) {
      if (kept.attestations.empty()) kept.attestations.emplace_back();
      SignedAttestation& highest = kept.attestations.front();
      highest.source_epoch = std::max(highest.source_epoch, each.source_epoch);
      highest.target_epoch = std::max(highest.target_epoch, each.target_epoch);
    }
  }
  return minimal;
}

VotedEpochs Interchange::voted() const {
  VotedEpochs voted;
  for (const auto& [key, history] : keys) {
    std::optional<std::uint64_t>& highest = voted[key];
    for (const SignedAttestation& each : history.attestations) {
      highest = std::max(highest.value_or(0), each.target_epoch);
    }
  }
  return voted;
}

ChainComparison compare(const VotedEpochs& database, const VotedEpochs& chain) {
  ChainComparison comparison;
  for (const auto& [key, known] : database) {
    const auto shown = chain.find(key);
    if (shown == chain.end() || !shown->second) continue;
    ++comparison.keys;
    if (known && *known >= *shown->second) continue;
    ++comparison.behind;
    const std::uint64_t epochs = *shown->second - known.value_or(0);
    if (epochs <= comparison.epochs_max) continue;
    comparison.epochs_max = epochs;
    comparison.furthest = key;
  }
  return comparison;
}

Watermarks Interchange::watermarks() const {
  Watermarks marks;
  marks.keys = keys.size();
  for (const auto& [key, history] : keys) {
    if (history.blocks.empty() && history.attestations.empty()) ++marks.keys_without_history;
    for (const SignedBlock& block : history.blocks) raise(marks.slot, block.slot);
    for (const SignedAttestation& each : history.attestations) {
      raise(marks.source_epoch, each.source_epoch);
      raise(marks.target_epoch, each.target_epoch);
    }
  }
  return marks;
}

}  // namespace actions::backup
