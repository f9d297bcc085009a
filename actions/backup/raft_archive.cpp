// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/raft_archive.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using nlohmann::json;

constexpr std::size_t kTarBlock = 512;  // POSIX.1-2017, pax, "ustar Interchange Format"
constexpr std::size_t kPiece = 256 << 10;
constexpr std::size_t kTextMax = 64 << 10;
constexpr std::string_view kMeta = "meta.json";
constexpr std::string_view kState = "state.bin";
constexpr std::string_view kSums = "SHA256SUMS";
constexpr std::string_view kSealedSums = "SHA256SUMS.sealed";

// The decompressed bytes of a file, in order.
class GzipFile {
 public:
  explicit GzipFile(const std::string& path) : path_(path), file_(::gzopen(path.c_str(), "rb")) {
    if (file_ != nullptr) ::gzbuffer(file_, kPiece);
  }
  ~GzipFile() {
    if (file_ != nullptr) ::gzclose_r(file_);
  }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  // Up to so many bytes; fewer only at the end. kInvalid for what is no sound gzip.
  Result<std::size_t> read(char* bytes, std::size_t size) {
    if (file_ == nullptr) return fail(Errc::kUnavailable, "{}: cannot be read", path_);
    const int got = ::gzread(file_, bytes, static_cast<unsigned>(size));
    int code = Z_OK;
    const char* const message = ::gzerror(file_, &code);
    // A stream that ends too soon is Z_BUF_ERROR, whatever it gave.
    if (got < 0 || code != Z_OK) return fail(Errc::kInvalid, "the snapshot is cut short or damaged: {}", message);
    // zlib hands on as it is what is no gzip at all.
    if (::gzdirect(file_) != 0) return fail(Errc::kInvalid, "the snapshot is not compressed: not one of Vault's");
    return static_cast<std::size_t>(got);
  }

 private:
  const std::string path_;
  gzFile file_;
};

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    sound_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }
  void add(std::string_view bytes) {
    sound_ = sound_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
  }
  // Lower-case hexadecimal digits; empty if the library failed.
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    std::string text;
    if (!sound_ || EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) return text;
    for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest.at(i));
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  bool sound_ = false;
};

// The head of a member, as far as it matters.
struct Member {
  std::string name;
  std::uint64_t size = 0;
};

std::optional<std::uint64_t> octal(std::string_view field) {
  while (!field.empty() && (field.back() == ' ' || field.back() == '\0')) field.remove_suffix(1);
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  if (field.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char digit : field) {
    if (digit < '0' || digit > '7' || value >> 60 != 0) return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(digit - '0');
  }
  return value;
}

Result<Member> parse_member(const std::array<char, kTarBlock>& block) {
  const std::string_view head(block.data(), block.size());
  const auto wanted = octal(head.substr(148, 8));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block.at(i));
  const auto size = octal(head.substr(124, 12));
  if (!wanted || *wanted != sum || !size) return fail(Errc::kInvalid, "the snapshot is no sound tar archive");
  Member member;
  member.name = std::string(head.substr(0, std::min<std::size_t>(100, head.find('\0'))));
  member.size = *size;
  const char kind = block.at(156);
  if (kind != '0' && kind != '\0') {
    return fail(Errc::kInvalid, "the snapshot's member \"{}\" is of kind '{}', not a file", member.name, kind);
  }
  return member;
}

bool is_zero(const std::array<char, kTarBlock>& block) {
  return std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; });
}

// What was found of one member.
struct Found {
  std::string digest;
  std::string text;  // of the small ones
};
using Members = std::map<std::string, Found, std::less<>>;

class ArchiveReader {
 public:
  explicit ArchiveReader(const std::string& path) : file_(path), piece_(kPiece, '\0') {}

  Result<Members> members(std::uint64_t& state_bytes) {
    Members all;
    std::array<char, kTarBlock> block{};
    while (true) {
      const Result<std::size_t> got = file_.read(block.data(), block.size());
      if (!got) return fail(got.error());
      if (*got != kTarBlock) return fail(Errc::kInvalid, "the snapshot is cut short: its archive has no end");
      if (is_zero(block)) break;
      const Result<Member> member = parse_member(block);
      if (!member) return fail(member.error());
      if (all.contains(member->name)) return fail(Errc::kInvalid, "the snapshot has {} twice", member->name);
      Result<Found> found = read_member(*member);
      if (!found) return fail(found.error());
      if (member->name == kState) state_bytes = member->size;
      all.emplace(member->name, std::move(*found));
    }
    // To the end, where the stream's own check is.
    while (true) {
      const Result<std::size_t> got = file_.read(piece_.data(), piece_.size());
      if (!got) return fail(got.error());
      if (*got == 0) return all;
    }
  }

 private:
  Result<Found> read_member(const Member& member) {
    const bool keeps = member.name != kState;
    if (keeps && member.size > kTextMax) {
      return fail(Errc::kInvalid, "the snapshot's {} has {} bytes: at most {}", member.name, member.size, kTextMax);
    }
    Found found;
    Sha256 digest;
    for (std::uint64_t left = member.size; left > 0;) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece_.size()));
      const Result<std::size_t> got = file_.read(piece_.data(), wanted);
      if (!got) return fail(got.error());
      if (*got != wanted) return fail(Errc::kInvalid, "the snapshot is cut short inside {}", member.name);
      digest.add(std::string_view(piece_.data(), wanted));
      if (keeps) found.text.append(piece_, 0, wanted);
      left -= wanted;
    }
    const std::size_t padding = (kTarBlock - member.size % kTarBlock) % kTarBlock;
    const Result<std::size_t> skipped = file_.read(piece_.data(), padding);
    if (!skipped) return fail(skipped.error());
    found.digest = digest.hex();
    if (found.digest.empty()) return fail(Errc::kFailed, "SHA-256 is not available");
    return found;
  }

  GzipFile file_;
  std::string piece_;
};

// Each line of SHA256SUMS: a digest, two blanks, a name.
Result<void> check_sums(const Members& members) {
  const std::string_view sums = members.find(kSums)->second.text;
  std::size_t listed = 0;
  for (std::size_t begin = 0; begin < sums.size();) {
    const std::size_t end = std::min(sums.find('\n', begin), sums.size());
    const std::string_view line = sums.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    const std::size_t blank = line.find("  ");
    if (blank != 64) return fail(Errc::kInvalid, "the snapshot's SHA256SUMS has a line \"{}\"", line.substr(0, 100));
    const std::string_view name = line.substr(blank + 2);
    const auto member = members.find(name);
    if (member == members.end()) return fail(Errc::kInvalid, "the snapshot lacks {}, which its SHA256SUMS lists", name);
    if (member->second.digest != line.substr(0, blank)) {
      return fail(Errc::kInvalid, "the snapshot's {} is damaged: its SHA-256 is not that of SHA256SUMS", name);
    }
    listed += name == kState || name == kMeta ? 1 : 0;
  }
  if (listed != 2) return fail(Errc::kInvalid, "the snapshot's SHA256SUMS does not list {} and {}", kState, kMeta);
  return {};
}

}  // namespace

Result<RaftArchive> read_raft_archive(const std::string& path) {
  RaftArchive archive;
  const Result<Members> members = ArchiveReader(path).members(archive.state_bytes);
  if (!members) return fail(members.error());
  for (const std::string_view name : {kMeta, kState, kSums, kSealedSums}) {
    // A standby that is asked gives an archive without the sealed sums, and Vault refuses to restore that.
    if (!members->contains(name)) return fail(Errc::kInvalid, "the snapshot is not whole: it has no {}", name);
  }
  if (auto sums = check_sums(*members); !sums) return fail(sums.error());
  const json meta = json::parse(members->find(kMeta)->second.text, nullptr, /*allow_exceptions=*/false);
  const auto number = [&](const char* key) -> std::optional<std::uint64_t> {
    if (!meta.is_object() || !meta.contains(key) || !meta[key].is_number_unsigned()) return std::nullopt;
    return meta[key].get<std::uint64_t>();
  };
  const auto index = number("Index");
  const auto term = number("Term");
  if (!index || !term) return fail(Errc::kInvalid, "the snapshot's {} has no Index and Term", kMeta);
  archive.index = *index;
  archive.term = *term;
  return archive;
}

}  // namespace actions::backup
