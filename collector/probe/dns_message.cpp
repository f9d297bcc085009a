// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/dns_message.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <ctime>

namespace collector::probe::dns {
namespace {

constexpr std::size_t kHeaderBytes = 12;
// RFC 1035, section 2.3.4: a name has at most 255 bytes, so at most this many parts; more jumps than that are a loop.
constexpr int kJumpsMax = 127;
constexpr std::size_t kNameBytesMax = 255;

void put16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

// Reads a message front to back; once something is missing everything after it is too.
class Reader {
 public:
  Reader(std::string_view message, std::size_t at, std::size_t end) : message_(message), at_(at), end_(end) {}

  bool good() const { return good_; }
  std::size_t at() const { return at_; }
  std::size_t left() const { return good_ ? end_ - at_ : 0; }

  std::uint8_t u8() {
    if (!has(1)) return 0;
    return static_cast<std::uint8_t>(message_[at_++]);
  }
  std::uint16_t u16() {
    const std::uint16_t high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  std::string_view bytes(std::size_t count) {
    if (!has(count)) return {};
    at_ += count;
    return message_.substr(at_ - count, count);
  }
  std::string_view rest() { return bytes(left()); }
  // <character-string> of RFC 1035.
  std::string_view counted() { return bytes(u8()); }
  std::string name();

 private:
  bool has(std::size_t count) {
    if (!good_ || end_ - at_ < count) good_ = false;
    return good_;
  }

  std::string_view message_;
  std::size_t at_;
  std::size_t end_;
  bool good_ = true;
};

void append_label(std::string& out, std::string_view label) {
  for (const char c : label) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::strchr(".\\\"();@$ ", c) != nullptr && c != '\0') {
      out += '\\';
      out += c;
    } else if (byte < 0x21 || byte > 0x7e) {
      out += fmt::format("\\{:03}", byte);
    } else {
      out += c;
    }
  }
  out += '.';
}

std::string Reader::name() {
  std::string text;
  std::size_t wire_bytes = 0;
  int jumps = 0;
  std::size_t position = at_;
  std::size_t limit = end_;
  bool jumped = false;
  while (good_) {
    if (position >= limit) return good_ = false, text;
    const auto length = static_cast<std::uint8_t>(message_[position++]);
    if (!jumped) at_ = position;
    if (length == 0) break;
    if ((length & 0xc0) == 0xc0) {
      if (position >= limit || ++jumps > kJumpsMax) return good_ = false, text;
      const std::size_t target =
          static_cast<std::size_t>(length & 0x3f) << 8 | static_cast<std::uint8_t>(message_[position++]);
      if (!jumped) at_ = position;
      jumped = true;
      position = target;
      limit = message_.size();
      continue;
    }
    wire_bytes += length + 1U;
    if ((length & 0xc0) != 0 || limit - position < length || wire_bytes > kNameBytesMax) return good_ = false, text;
    append_label(text, message_.substr(position, length));
    position += length;
    if (!jumped) at_ = position;
  }
  return text.empty() ? "." : text;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string upper_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02X}", static_cast<unsigned char>(c));
  return text;
}

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string quoted(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < 0x20 || byte > 0x7e) {
      text += fmt::format("\\{:03}", byte);
    } else {
      text += c;
    }
  }
  return text + "\"";
}

std::string address_text(int family, std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, bytes.data(), text.data(), text.size());
  return text.data();
}

// YYYYMMDDHHmmSS of RFC 4034, section 3.2.
std::string signature_time(std::uint32_t seconds) {
  const auto moment = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&moment, &parts);
  return fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string soa_text(Reader& data) {
  const std::string primary = data.name();
  const std::string mailbox = data.name();
  const std::uint32_t serial = data.u32();
  const std::uint32_t refresh = data.u32();
  const std::uint32_t retry = data.u32();
  const std::uint32_t expire = data.u32();
  return fmt::format("{} {} {} {} {} {} {}", primary, mailbox, serial, refresh, retry, expire, data.u32());
}

std::string texts(Reader& data) {
  std::string text;
  while (data.left() > 0) text += (text.empty() ? "" : " ") + quoted(data.counted());
  return text;
}

std::string srv_text(Reader& data) {
  const std::uint16_t priority = data.u16();
  const std::uint16_t weight = data.u16();
  const std::uint16_t port = data.u16();
  return fmt::format("{} {} {} {}", priority, weight, port, data.name());
}

std::string caa_text(Reader& data) {
  const std::uint8_t flags = data.u8();
  const std::string tag(data.counted());
  return fmt::format("{} {} {}", flags, tag, quoted(data.rest()));
}

std::string ds_text(Reader& data) {
  const std::uint16_t tag = data.u16();
  const std::uint8_t algorithm = data.u8();
  const std::uint8_t digest = data.u8();
  return fmt::format("{} {} {} {}", tag, algorithm, digest, upper_hex(data.rest()));
}

std::string dnskey_text(Reader& data) {
  const std::uint16_t flags = data.u16();
  const std::uint8_t protocol = data.u8();
  const std::uint8_t algorithm = data.u8();
  return fmt::format("{} {} {} {}", flags, protocol, algorithm, base64(data.rest()));
}

std::string rrsig_text(Reader& data) {
  const std::string type = type_name(data.u16());
  const std::uint8_t algorithm = data.u8();
  const std::uint8_t labels = data.u8();
  const std::uint32_t ttl = data.u32();
  const std::string expires = signature_time(data.u32());
  const std::string signed_at = signature_time(data.u32());
  const std::uint16_t tag = data.u16();
  const std::string signer = data.name();
  return fmt::format("{} {} {} {} {} {} {} {} {}", type, algorithm, labels, ttl, expires, signed_at, tag, signer,
                     base64(data.rest()));
}

std::string tlsa_text(Reader& data) {
  const std::uint8_t usage = data.u8();
  const std::uint8_t selector = data.u8();
  const std::uint8_t matching = data.u8();
  return fmt::format("{} {} {} {}", usage, selector, matching, hex(data.rest()));
}

// RFC 3597: data whose form is not known.
std::string unknown_text(Reader& data) {
  const std::string_view bytes = data.rest();
  return fmt::format("\\# {} {}", bytes.size(), hex(bytes));
}

std::string data_text(std::uint16_t type, std::uint16_t cls, Reader& data) {
  if (cls != kClassIn && (type == kTypeA || type == kTypeAaaa)) return unknown_text(data);
  switch (type) {
    case kTypeA: {
      const std::string_view bytes = data.bytes(sizeof(in_addr));
      return data.good() ? address_text(AF_INET, bytes) : "";
    }
    case kTypeAaaa: {
      const std::string_view bytes = data.bytes(sizeof(in6_addr));
      return data.good() ? address_text(AF_INET6, bytes) : "";
    }
    case 2:  // NS
    case kTypeCname:
    case 12:  // PTR
    case 39:  // DNAME
      return data.name();
    case kTypeSoa:
      return soa_text(data);
    case 15: {  // MX
      const std::uint16_t preference = data.u16();
      return fmt::format("{} {}", preference, data.name());
    }
    case 13:  // HINFO
    case 16:  // TXT
    case 99:  // SPF
      return texts(data);
    case 33:
      return srv_text(data);
    case 43:  // DS
    case 59:  // CDS
      return ds_text(data);
    case 46:
      return rrsig_text(data);
    case 48:  // DNSKEY
    case 60:  // CDNSKEY
      return dnskey_text(data);
    case 52:
      return tlsa_text(data);
    case 257:
      return caa_text(data);
    default:
      return unknown_text(data);
  }
}

bool read_record(Reader& reader, std::string_view message, Record& record) {
  record.name = reader.name();
  record.type = reader.u16();
  record.cls = reader.u16();
  record.ttl = reader.u32();
  const std::uint16_t size = reader.u16();
  const std::size_t start = reader.at();
  record.data = reader.bytes(size);
  if (!reader.good()) return false;
  Reader data(message, start, start + size);
  record.presentation = data_text(record.type, record.cls, data);
  return data.good();
}

}  // namespace

std::string encode_query(std::uint16_t id, const Question& question) {
  std::string out;
  put16(out, id);
  put16(out, question.recursion_desired ? 0x0100 : 0);
  put16(out, 1);
  out.append(6, '\0');
  out += encode_name(question.name).value_or(std::string(1, '\0'));
  put16(out, question.type);
  put16(out, question.cls);
  return out;
}

std::string Record::to_string() const {
  return fmt::format("{}\t{}\t{}\t{}\t{}", name, ttl, class_name(cls), type_name(type), presentation);
}

tl::expected<Message, std::string> decode(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes)
    return tl::unexpected(fmt::format("{} bytes are too few for a header", bytes.size()));
  Reader reader(bytes, 0, bytes.size());
  Message message;
  message.id = reader.u16();
  const std::uint16_t flags = reader.u16();
  message.response = (flags & 0x8000) != 0;
  message.truncated = (flags & 0x0200) != 0;
  message.rcode = flags & 0x000f;
  const std::uint16_t questions = reader.u16();
  const std::array<std::uint16_t, 3> counts = {reader.u16(), reader.u16(), reader.u16()};
  for (std::uint16_t i = 0; i < questions; ++i) {
    const std::string name = reader.name();
    const std::uint16_t type = reader.u16();
    reader.u16();
    if (!reader.good()) return tl::unexpected(fmt::format("question {} is cut off", i + 1));
    if (i == 0) message.question = name, message.question_type = type;
  }
  const std::array<std::vector<Record>*, 3> sections = {&message.answer, &message.authority, &message.additional};
  std::size_t total = 0;
  for (std::size_t section = 0; section < sections.size(); ++section) {
    for (std::uint16_t i = 0; i < counts[section]; ++i) {
      if (++total > kRecordsMax) return tl::unexpected(fmt::format("more than {} records", kRecordsMax));
      Record record;
      if (!read_record(reader, bytes, record)) {
        return tl::unexpected(fmt::format("record {} is broken at byte {}", total, reader.at()));
      }
      sections[section]->push_back(std::move(record));
    }
  }
  return message;
}

std::uint32_t soa_serial(const Record& record) {
  // The five numbers end the data; the names before it have any length.
  if (record.type != kTypeSoa || record.data.size() < 20) return 0;
  Reader numbers(record.data, record.data.size() - 20, record.data.size());
  return numbers.u32();
}

}  // namespace collector::probe::dns
