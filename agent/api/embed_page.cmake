# SPDX-License-Identifier: Apache-2.0
# cmake -DFOLDER=dashboards/web -DOUTPUT=page_file.cpp -P embed_page.cmake: the page's files as C++ literals.
set(types_html "text/html; charset=utf-8")
set(types_css "text/css; charset=utf-8")
set(types_js "text/javascript; charset=utf-8")
set(entries "")
foreach(name index.html page.css model.js page.js)
  file(READ ${FOLDER}/${name} content)
  string(REGEX REPLACE ".*\\." "" extension ${name})
  set(path "/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  string(APPEND entries "    {\"${path}\", \"${types_${extension}}\", R\"wkpage(${content})wkpage\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from dashboards/web.
#include \"agent/api/page_file.h\"

#include <algorithm>
#include <array>

namespace agent {
namespace {

constexpr std::array<PageFile, 4> kFiles = {{
${entries}}};

}  // namespace

const PageFile* find_page_file(std::string_view path) {
  const auto* const file = std::ranges::find(kFiles, path, &PageFile::path);
  return file == kFiles.end() ? nullptr : file;
}

}  // namespace agent
")
