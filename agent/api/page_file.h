// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace agent {

// A file of dashboards/web, compiled in.
struct PageFile {
  std::string_view path;  // as it is asked for: "/", "/page.css"
  std::string_view content_type;
  std::string_view content;
};

// Every file of the page; nullptr ends the list.
const PageFile* find_page_file(std::string_view path);

}  // namespace agent
