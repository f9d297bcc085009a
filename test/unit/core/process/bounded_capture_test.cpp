// SPDX-License-Identifier: Apache-2.0
#include "core/process/bounded_capture.h"

#include <gtest/gtest.h>

#include <string>

namespace core::process {
namespace {

std::string capture_in_pieces(std::string_view bytes, std::size_t piece, std::size_t limit) {
  BoundedCapture capture(limit);
  for (std::size_t at = 0; at < bytes.size(); at += piece) capture.append(bytes.substr(at, piece));
  EXPECT_EQ(capture.total(), bytes.size());
  return capture.text();
}

TEST(BoundedCapture, KeepsHeadAndTailHoweverTheBytesArrive) {
  const std::string bytes = "0123456789abcdefghijklmnopqrstuvwxyz";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    EXPECT_EQ(capture_in_pieces(bytes, piece, 10), "01234\n[... 26 bytes left out ...]\nvwxyz") << piece;
    EXPECT_EQ(capture_in_pieces(bytes, piece, 11), "01234\n[... 25 bytes left out ...]\nuvwxyz") << piece;
    EXPECT_EQ(capture_in_pieces(bytes, piece, bytes.size()), bytes) << piece;
    EXPECT_EQ(capture_in_pieces(bytes, piece, 0), "\n[... 36 bytes left out ...]\n") << piece;
  }
}

}  // namespace
}  // namespace core::process
