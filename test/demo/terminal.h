// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace demo {

// Lines that stay, and below them one that moves while something is awaited; plain lines where the output is no
// terminal.
//
// Thread safety: confined to one thread.
class Terminal {
 public:
  Terminal();
  void heading(const std::string& text);
  void line(const std::string& text);
  // Shows what is awaited; call it as often as progress is looked for.
  void waiting(const std::string& text, double seconds);
  // The awaited came to pass, or did not.
  void done(const std::string& what, double seconds, const std::string& detail);
  void failed(const std::string& text);

 private:
  void erase();

  bool live_;
  bool moving_ = false;
  unsigned frame_ = 0;
};

}  // namespace demo
