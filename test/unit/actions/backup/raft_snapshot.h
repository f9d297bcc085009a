// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "actions/backup/scratch.h"
#include "temporary_folder.h"

namespace actions::backup {

inline std::string gzip(const std::string& bytes) {
  z_stream stream{};
  // 16: with a gzip head and check.
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// One member of a tar archive, its bytes padded to blocks.
inline std::string member(const std::string& name, const std::string& bytes, char kind = '0') {
  std::string head(512, '\0');
  head.replace(0, name.size(), name);
  head.replace(100, 7, "0000600");
  head.replace(124, 11, fmt::format("{:011o}", bytes.size()));
  head.replace(148, 8, "        ");
  head[156] = kind;
  head.replace(257, 5, "ustar");
  head.replace(263, 2, "00");
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  head.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  std::string padded = bytes;
  padded.resize((bytes.size() + 511) / 512 * 512, '\0');
  return head + padded;
}

// What a Vault answers when asked for a snapshot of its raft storage, before it is compressed.
struct RaftSnapshot {
  std::string meta = R"({"Version":1,"ID":"bolt-snapshot","Index":4711,"Term":3,"Peers":"kQ=="})";
  std::string state = std::string(700'000, 's') + "end";
  std::string sums = {};  // empty: the right ones
  bool sealed = true;

  std::string sums_of(const TemporaryFolder& folder) const {
    if (!sums.empty()) return sums;
    const std::string meta_path = folder.write("meta", meta);
    const std::string state_path = folder.write("state", state);
    return *sha256_of_file(meta_path) + "  meta.json\n" + *sha256_of_file(state_path) + "  state.bin\n";
  }
  std::string tar(const TemporaryFolder& folder) const {
    std::string archive = member("meta.json", meta) + member("state.bin", state);
    archive += member("SHA256SUMS", sums_of(folder));
    if (sealed) archive += member("SHA256SUMS.sealed", "encrypted");
    return archive + std::string(1024, '\0');
  }
};

}  // namespace actions::backup
