// SPDX-License-Identifier: Apache-2.0
#include "core/net/dns_message.h"

#include <arpa/inet.h>

#include <array>
#include <cctype>
#include <optional>

namespace core::net {
namespace {

constexpr std::size_t kNameBytesMax = 255;  // RFC 1035, section 2.3.4
constexpr std::size_t kLabelBytesMax = 63;
constexpr std::uint16_t kClassInternet = 1;

void put16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

// Reads a message front to back; any read past its end makes it bad, and then everything is zero.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint8_t u8() {
    if (at_ >= bytes_.size()) return bad_ = true, std::uint8_t{0};
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - at_) return bad_ = true, std::string_view();
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }

  // A name with a dot at its end, as masters' files write it: unusual bytes as \DDD, dots within a label as \.
  std::string name() {
    std::string text;
    std::size_t wire_bytes = 0;
    std::optional<std::size_t> after;
    std::size_t limit = bytes_.size();  // a pointer leads to before where it stands, so that there is an end
    while (!bad_) {
      const std::size_t start = at_;
      const std::uint8_t length = u8();
      if ((length & 0xc0) == 0xc0) {
        const std::size_t target = static_cast<std::size_t>(length & 0x3f) << 8 | u8();
        if (!after) after = at_;
        if (target >= std::min(start, limit)) return bad_ = true, std::string();
        limit = target;
        at_ = target;
        continue;
      }
      if (length > kLabelBytesMax) return bad_ = true, std::string();
      if (length == 0) break;
      wire_bytes += length + 1U;
      if (wire_bytes > kNameBytesMax) return bad_ = true, std::string();
      append_label(text, take(length));
    }
    if (after) at_ = *after;
    return text.empty() ? "." : text;
  }

  std::size_t at() const { return at_; }
  bool bad() const { return bad_; }

 private:
  static void append_label(std::string& text, std::string_view label) {
    for (const char c : label) {
      if (c == '.' || c == '\\') {
        text += '\\';
        text += c;
      } else if (c > ' ' && c < 0x7f) {
        text += c;
      } else {
        text += fmt::format("\\{:03}", static_cast<unsigned char>(c));
      }
    }
    text += '.';
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

std::string address_text(int family, std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr ? "" : std::string(text.data());
}

// A record; nothing if it is of another type. The reader is behind it afterwards, or bad.
std::optional<DnsRecord> read_record(Reader& reader) {
  DnsRecord record;
  record.name = reader.name();
  const std::uint16_t type = reader.u16();
  const std::uint16_t kind = reader.u16();
  record.ttl_seconds = reader.u32();
  const std::uint16_t size = reader.u16();
  const std::size_t start = reader.at();
  if (kind == kClassInternet) {
    record.type = static_cast<DnsType>(type);
    switch (record.type) {
      case DnsType::kA:
        if (size == 4) record.value = address_text(AF_INET, reader.take(4));
        break;
      case DnsType::kAaaa:
        if (size == 16) record.value = address_text(AF_INET6, reader.take(16));
        break;
      case DnsType::kNs:
      case DnsType::kCname:
        record.value = reader.name();
        break;
      case DnsType::kMx:
        record.priority = reader.u16();
        record.value = reader.name();
        break;
      case DnsType::kSrv:
        record.priority = reader.u16();
        record.weight = reader.u16();
        record.port = reader.u16();
        record.value = reader.name();
        break;
    }
  }
  const std::size_t read = reader.at() - start;
  if (read > size) {
    static_cast<void>(reader.take(std::string_view::npos));  // the record says less than it holds: bad
    return std::nullopt;
  }
  static_cast<void>(reader.take(size - read));
  if (record.value.empty()) return std::nullopt;
  return record;
}

}  // namespace

Result<std::string> encode_dns_query(std::uint16_t id, std::string_view name, DnsType type) {
  std::string query;
  put16(query, id);
  put16(query, 0x0100);  // a query; recursion is desired
  for (const unsigned count : {1U, 0U, 0U, 0U}) put16(query, count);
  const std::size_t start = query.size();
  std::string_view rest = name;
  while (!rest.empty() && rest != ".") {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (label.empty() || label.size() > kLabelBytesMax) {
      return fail(Errc::kInvalid, "\"{}\" is not a name that the DNS can be asked for", name);
    }
    query += static_cast<char>(label.size());
    query += label;
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  }
  query += '\0';
  if (query.size() - start > kNameBytesMax) {
    return fail(Errc::kInvalid, "\"{}\" is not a name that the DNS can be asked for", name);
  }
  put16(query, static_cast<unsigned>(type));
  put16(query, kClassInternet);
  return query;
}

Result<DnsReply> parse_dns_reply(std::string_view bytes) {
  Reader reader(bytes);
  DnsReply reply;
  reply.id = reader.u16();
  const std::uint16_t flags = reader.u16();
  reply.truncated = (flags & 0x0200) != 0;
  reply.code = flags & 0x000f;
  const std::uint16_t questions = reader.u16();
  const std::uint16_t answers = reader.u16();
  static_cast<void>(reader.u32());  // counts of what is not read
  if (reader.bad() || (flags & 0x8000) == 0 || questions != 1) {
    return fail(Errc::kInvalid, "not an answer to a question");
  }
  reply.name = reader.name();
  for (char& c : reply.name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  reply.type = static_cast<DnsType>(reader.u16());
  static_cast<void>(reader.u16());
  for (int i = 0; i < answers && !reader.bad(); ++i) {
    if (auto record = read_record(reader); record && !reader.bad()) reply.answers.push_back(std::move(*record));
  }
  // What was cut off is asked for again over TCP.
  if (reader.bad() && !reply.truncated) return fail(Errc::kInvalid, "the answer ends too early");
  return reply;
}

}  // namespace core::net
