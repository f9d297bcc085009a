// SPDX-License-Identifier: Apache-2.0
#include "core/net/gzip_inflater.h"

#include <array>

#include <zlib.h>

#include "core/check.h"

namespace core::net {

struct GzipInflater::Stream {
  z_stream z{};
  bool at_member_end = false;
  std::array<char, 64 << 10> buffer;
};

GzipInflater::GzipInflater(std::uint64_t output_limit)
    : stream_(std::make_unique<Stream>()), output_limit_(output_limit) {
  // 16 + 15: gzip framing only, the largest window.
  CHECK(inflateInit2(&stream_->z, 16 + MAX_WBITS) == Z_OK, "zlib has memory for one window");
}

GzipInflater::~GzipInflater() { inflateEnd(&stream_->z); }

GzipInflater::Outcome GzipInflater::feed(std::string_view piece, std::string& out) {
  z_stream& z = stream_->z;
  // zlib's input pointer is not const, but it does not write there.
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
  z.avail_in = static_cast<uInt>(piece.size());
  do {
    if (stream_->at_member_end) {
      if (z.avail_in == 0) return Outcome::kOk;
      // A gzip stream may be several members one after the other (RFC 1952, section 2.2).
      if (inflateReset(&z) != Z_OK) return Outcome::kCorrupt;
      stream_->at_member_end = false;
    }
    z.next_out = reinterpret_cast<Bytef*>(stream_->buffer.data());
    z.avail_out = static_cast<uInt>(stream_->buffer.size());
    const int status = inflate(&z, Z_NO_FLUSH);
    const std::size_t made = stream_->buffer.size() - z.avail_out;
    if (made > output_limit_ - out.size()) return Outcome::kTooBig;
    out.append(stream_->buffer.data(), made);
    if (status == Z_STREAM_END) {
      stream_->at_member_end = true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return Outcome::kCorrupt;
    }
  } while (z.avail_in > 0 || z.avail_out == 0);
  return Outcome::kOk;
}

bool GzipInflater::complete() const { return stream_->at_member_end; }

}  // namespace core::net
