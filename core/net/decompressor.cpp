// SPDX-License-Identifier: Apache-2.0
#include "core/net/decompressor.h"

#include <array>

#include <zlib.h>
#include <zstd.h>

#include "core/check.h"

namespace core::net {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;

class GzipDecompressor final : public Decompressor {
 public:
  explicit GzipDecompressor(std::uint64_t output_limit) : output_limit_(output_limit) {
    // 16 + 15: gzip framing only, the largest window.
    CHECK(inflateInit2(&z_, 16 + MAX_WBITS) == Z_OK, "zlib has memory for one window");
  }
  ~GzipDecompressor() override { inflateEnd(&z_); }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  Outcome feed(std::string_view piece, std::string& out) override {
    // zlib's input pointer is not const, but it does not write there.
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    z_.avail_in = static_cast<uInt>(piece.size());
    do {
      if (at_member_end_) {
        if (z_.avail_in == 0) return Outcome::kOk;
        // A gzip stream may be several members one after the other (RFC 1952, section 2.2).
        if (inflateReset(&z_) != Z_OK) return Outcome::kCorrupt;
        at_member_end_ = false;
      }
      z_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
      z_.avail_out = static_cast<uInt>(buffer_.size());
      const int status = inflate(&z_, Z_NO_FLUSH);
      const std::size_t made = buffer_.size() - z_.avail_out;
      if (made > output_limit_ - out.size()) return Outcome::kTooBig;
      out.append(buffer_.data(), made);
      if (status == Z_STREAM_END) {
        at_member_end_ = true;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        return Outcome::kCorrupt;
      }
    } while (z_.avail_in > 0 || z_.avail_out == 0);
    return Outcome::kOk;
  }
  bool complete() const override { return at_member_end_; }

 private:
  const std::uint64_t output_limit_;
  z_stream z_{};
  bool at_member_end_ = false;
  std::array<char, kBufferBytes> buffer_;
};

class ZstdDecompressor final : public Decompressor {
 public:
  explicit ZstdDecompressor(std::uint64_t output_limit) : output_limit_(output_limit), stream_(ZSTD_createDStream()) {
    CHECK(stream_ != nullptr, "zstd has memory for a stream");
    const std::size_t set = ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
    CHECK(ZSTD_isError(set) == 0, "zstd takes a window's bound");
  }

  Outcome feed(std::string_view piece, std::string& out) override {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    bool filled = false;
    // A full buffer may mean that more waits inside.
    while (in.pos < in.size || filled) {
      ZSTD_outBuffer made{buffer_.data(), buffer_.size(), 0};
      const std::size_t left = ZSTD_decompressStream(stream_.get(), &made, &in);
      if (ZSTD_isError(left) != 0) return Outcome::kCorrupt;
      if (made.pos > output_limit_ - out.size()) return Outcome::kTooBig;
      out.append(buffer_.data(), made.pos);
      // Frames may follow one another (RFC 8878, section 3.1); 0 says that one has just ended.
      complete_ = left == 0;
      filled = made.pos == made.size && !complete_;
    }
    return Outcome::kOk;
  }
  bool complete() const override { return complete_; }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  const std::uint64_t output_limit_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool complete_ = false;
  std::array<char, kBufferBytes> buffer_;
};

}  // namespace

std::unique_ptr<Decompressor> make_decompressor(Coding coding, std::uint64_t output_limit) {
  switch (coding) {
    case Coding::kGzip:
      return std::make_unique<GzipDecompressor>(output_limit);
    case Coding::kZstd:
      return std::make_unique<ZstdDecompressor>(output_limit);
    case Coding::kIdentity:
      break;
  }
  return nullptr;
}

Error decompression_error(Coding coding, Decompressor::Outcome outcome) {
  if (outcome == Decompressor::Outcome::kTooBig) return {Errc::kLimitExceeded, "body size limit exceeded"};
  return error(Errc::kUnavailable, "{}: invalid data in the body", coding == Coding::kZstd ? "zstd" : "gzip");
}

Result<void> decompress(Coding coding, std::string_view body, std::uint64_t output_limit, std::string& out) {
  out.clear();
  const auto decompressor = make_decompressor(coding, output_limit);
  if (decompressor == nullptr) {
    if (body.size() > output_limit) return fail(decompression_error(coding, Decompressor::Outcome::kTooBig));
    out = body;
    return {};
  }
  // In pieces: zlib counts in 32 bits.
  constexpr std::size_t kPieceBytes = 1 << 20;
  for (std::size_t at = 0; at < body.size(); at += kPieceBytes) {
    const auto outcome = decompressor->feed(body.substr(at, kPieceBytes), out);
    if (outcome != Decompressor::Outcome::kOk) return fail(decompression_error(coding, outcome));
  }
  if (!decompressor->complete()) return fail(Errc::kUnavailable, "unexpected EOF");
  return {};
}

}  // namespace core::net
