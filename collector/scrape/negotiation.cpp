// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/negotiation.h"

#include <algorithm>
#include <cctype>

#include "collector/exposition/excerpt.h"

namespace collector::scrape {
namespace {

using core::Errc;
using core::Result;
using exposition::Format;

std::string_view media_type_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kOpenMetricsText100:
      return "application/openmetrics-text;version=1.0.0";
    case Protocol::kOpenMetricsText001:
      return "application/openmetrics-text;version=0.0.1";
    case Protocol::kPrometheusText100:
      return "text/plain;version=1.0.0";
    case Protocol::kPrometheusText004:
      return "text/plain;version=0.0.4";
    case Protocol::kPrometheusProto:
      return "";
  }
  return "";
}

Format format_of(Protocol protocol) {
  return protocol == Protocol::kOpenMetricsText100 || protocol == Protocol::kOpenMetricsText001
             ? Format::kOpenMetrics
             : Format::kPrometheusText;
}

// Reads a header value front to back, as Go's mime.ParseMediaType does.
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : rest_(text) {}

  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string token() {
    std::size_t size = 0;
    while (size < rest_.size() && is_token_byte(rest_[size])) ++size;
    std::string token(rest_.substr(0, size));
    rest_.remove_prefix(size);
    std::transform(token.begin(), token.end(), token.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return token;
  }
  // A token or a quoted string.
  bool value() {
    if (!take('"')) return !token().empty();
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  static bool is_token_byte(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  }
  std::string_view rest_;
};

Result<std::string> parse_media_type(std::string_view text) {
  HeaderText header(text);
  header.skip_blanks();
  std::string type = header.token();
  if (type.empty()) return core::fail(Errc::kInvalid, "mime: no media type");
  if (!header.take('/')) return core::fail(Errc::kInvalid, "mime: expected slash after first token");
  const std::string subtype = header.token();
  if (subtype.empty()) return core::fail(Errc::kInvalid, "mime: expected token after slash");
  type += '/' + subtype;
  header.skip_blanks();
  while (!header.at_end()) {
    if (!header.take(';')) return core::fail(Errc::kInvalid, "mime: unexpected content after media subtype");
    header.skip_blanks();
    if (header.at_end()) break;
    const std::string name = header.token();
    header.skip_blanks();
    if (name.empty() || !header.take('=')) return core::fail(Errc::kInvalid, "mime: invalid media parameter");
    header.skip_blanks();
    if (!header.value()) return core::fail(Errc::kInvalid, "mime: invalid media parameter");
    header.skip_blanks();
  }
  return type;
}

}  // namespace

std::string accept_header(std::span<const Protocol> protocols, Escaping escaping) {
  std::string header;
  // q falls by a tenth from 0.6, and never reaches zero: there are no more than five formats.
  int tenths = 6;
  for (const Protocol protocol : protocols) {
    if (protocol == Protocol::kPrometheusProto) continue;
    header += media_type_of(protocol);
    if (protocol == Protocol::kOpenMetricsText100 || protocol == Protocol::kPrometheusText100) {
      header += ";escaping=" + core::config::Codec<Escaping>::print(escaping);
    }
    header += fmt::format(";q=0.{},", tenths--);
  }
  return header + fmt::format("*/*;q=0.{}", tenths);
}

Result<Format> choose_format(std::string_view content_type, std::optional<Protocol> fallback) {
  const bool usable = fallback.has_value() && *fallback != Protocol::kPrometheusProto;
  if (content_type.empty()) {
    if (usable) return format_of(*fallback);
    return core::fail(Errc::kInvalid,
                      "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
                      "specified for target");
  }
  const Result<std::string> media_type = parse_media_type(content_type);
  if (media_type && *media_type == "text/plain") return Format::kPrometheusText;
  if (media_type && *media_type == "application/openmetrics-text") return Format::kOpenMetrics;
  if (usable) return format_of(*fallback);
  if (!media_type) {
    return core::fail(Errc::kInvalid, "cannot parse Content-Type {} and no fallback_scrape_protocol for target\n{}",
                      exposition::quote_excerpt(content_type), media_type.error().message);
  }
  return core::fail(Errc::kInvalid,
                    "received unsupported Content-Type {} and no fallback_scrape_protocol specified for target",
                    exposition::quote_excerpt(content_type));
}

}  // namespace collector::scrape
