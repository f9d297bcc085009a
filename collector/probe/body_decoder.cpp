// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/body_decoder.h"

#include <brotli/decode.h>
#include <zlib.h>

#include <algorithm>
#include <array>

namespace collector::probe {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;

// Appends within the limit; false once it is reached.
bool append(DecodedBody& out, std::string_view piece, std::uint64_t limit) {
  const std::uint64_t room = limit - out.bytes.size();
  out.too_big = piece.size() > room;
  out.bytes.append(piece.substr(0, room));
  return !out.too_big;
}

DecodedBody inflate_body(std::string_view body, int window_bits, std::uint64_t limit) {
  DecodedBody out;
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) return out;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  std::array<char, kPieceBytes> piece{};
  while (true) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    const std::size_t count = piece.size() - stream.avail_out;
    if (!append(out, {piece.data(), count}, limit)) break;
    if (result == Z_STREAM_END) {
      out.complete = true;
      break;
    }
    if (result != Z_OK || (count == 0 && stream.avail_in == 0)) break;
  }
  inflateEnd(&stream);
  return out;
}

DecodedBody decode_brotli(std::string_view body, std::uint64_t limit) {
  DecodedBody out;
  BrotliDecoderState* const state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
  if (state == nullptr) return out;
  const auto* next_in = reinterpret_cast<const std::uint8_t*>(body.data());
  std::size_t left = body.size();
  std::array<std::uint8_t, kPieceBytes> piece{};
  while (true) {
    std::uint8_t* next_out = piece.data();
    std::size_t room = piece.size();
    const BrotliDecoderResult result = BrotliDecoderDecompressStream(state, &left, &next_in, &room, &next_out, nullptr);
    if (!append(out, {reinterpret_cast<const char*>(piece.data()), piece.size() - room}, limit)) break;
    if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) continue;
    out.complete = result == BROTLI_DECODER_RESULT_SUCCESS;
    break;
  }
  BrotliDecoderDestroyInstance(state);
  return out;
}

}  // namespace

std::optional<DecodedBody> decode_body(std::string_view coding, std::string_view body, std::uint64_t limit) {
  constexpr int kGzipWindow = 15 + 16;
  constexpr int kRawWindow = -15;
  if (coding == "gzip") return inflate_body(body, kGzipWindow, limit);
  if (coding == "deflate") return inflate_body(body, kRawWindow, limit);
  if (coding == "br") return decode_brotli(body, limit);
  if (coding != "identity") return std::nullopt;
  DecodedBody out;
  out.complete = append(out, body, limit);
  return out;
}

}  // namespace collector::probe
