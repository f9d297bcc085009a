// SPDX-License-Identifier: Apache-2.0
#include "core/aws/xml.h"

#include <expat.h>

#include <algorithm>
#include <memory>

namespace core::aws {
namespace {

constexpr std::size_t kDepthMax = 64;
constexpr std::size_t kElementsMax = 2'000'000;

struct ParserFree {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};

struct Builder {
  XML_Parser parser = nullptr;
  XmlElement document;                       // its only child is the root
  std::vector<XmlElement*> open{&document};  // stays valid: only the last one gets children
  std::size_t elements = 0;
  std::string problem;

  void stop(std::string why) {
    problem = std::move(why);
    XML_StopParser(parser, XML_FALSE);
  }
};

void on_start(void* data, const XML_Char* name, const XML_Char**) {
  auto& builder = *static_cast<Builder*>(data);
  if (builder.open.size() > kDepthMax) return builder.stop("elements nest too deep");
  if (++builder.elements > kElementsMax) return builder.stop("too many elements");
  builder.open.back()->children.push_back({.name = name, .text = {}, .children = {}});
  builder.open.push_back(&builder.open.back()->children.back());
}

void on_end(void* data, const XML_Char*) {
  auto& builder = *static_cast<Builder*>(data);
  if (builder.open.size() > 1) builder.open.pop_back();
}

void on_text(void* data, const XML_Char* text, int size) {
  static_cast<Builder*>(data)->open.back()->text.append(text, static_cast<std::size_t>(size));
}

// Entities of one's own are what attacks on XML parsers are made of; no AWS answer has any.
void on_doctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  static_cast<Builder*>(data)->stop("a document type is not expected");
}

}  // namespace

const XmlElement* XmlElement::find(std::string_view path) const {
  const XmlElement* at = this;
  while (at != nullptr && !path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view wanted = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    const auto found =
        std::find_if(at->children.begin(), at->children.end(), [&](const XmlElement& c) { return c.name == wanted; });
    at = found == at->children.end() ? nullptr : &*found;
  }
  return at;
}

std::string_view XmlElement::text_of(std::string_view path) const {
  const XmlElement* found = find(path);
  return found == nullptr ? std::string_view() : found->text;
}

const std::vector<XmlElement>& XmlElement::items_of(std::string_view path) const {
  static const std::vector<XmlElement> kNone;
  const XmlElement* found = find(path);
  return found == nullptr ? kNone : found->children;
}

Result<XmlElement> parse_xml(std::string_view text) {
  const std::unique_ptr<XML_ParserStruct, ParserFree> parser(XML_ParserCreate("UTF-8"));
  if (!parser) return fail(Errc::kFailed, "no memory for an XML parser");
  Builder builder;
  builder.parser = parser.get();
  XML_SetUserData(parser.get(), &builder);
  XML_SetElementHandler(parser.get(), on_start, on_end);
  XML_SetCharacterDataHandler(parser.get(), on_text);
  XML_SetStartDoctypeDeclHandler(parser.get(), on_doctype);
  constexpr std::size_t kPiece = 1 << 20;  // expat counts in int
  XML_Status status = XML_STATUS_OK;
  do {
    const std::string_view piece = text.substr(0, kPiece);
    text.remove_prefix(piece.size());
    status = XML_Parse(parser.get(), piece.data(), static_cast<int>(piece.size()), text.empty() ? 1 : 0);
  } while (status == XML_STATUS_OK && !text.empty());
  if (status != XML_STATUS_OK) {
    const std::string why = builder.problem.empty() ? XML_ErrorString(XML_GetErrorCode(parser.get())) : builder.problem;
    return fail(Errc::kInvalid, "XML, line {}, column {}: {}", XML_GetCurrentLineNumber(parser.get()),
                XML_GetCurrentColumnNumber(parser.get()) + 1, why);
  }
  return std::move(builder.document.children.front());
}

}  // namespace core::aws
