// SPDX-License-Identifier: Apache-2.0
#include "core/ring/mapped_ring.h"

namespace core::ring {
namespace {

class Stub final : public MappedRing {
 public:
  explicit Stub(MemoryRingOptions options) : ring_(make_memory_ring(options)) {}
  std::unique_ptr<Appender> make_appender() override { return ring_->make_appender(); }
  const Reader& reader() const override { return ring_->reader(); }
  const RingRecovery& recovery() const override { return recovery_; }

 private:
  std::unique_ptr<Ring> ring_;
  RingRecovery recovery_;
};

}  // namespace

std::string_view to_string(FoundState state) {
  switch (state) {
    case FoundState::kNew:
      return "new";
    case FoundState::kClean:
      return "clean";
    case FoundState::kKilled:
      return "killed";
    case FoundState::kRebooted:
      return "rebooted";
    case FoundState::kMigrated:
      return "migrated";
  }
  return "";
}

Result<std::unique_ptr<MappedRing>> open_mapped_ring(const MappedRingOptions& options) {
  const std::uint64_t series = options.max_series != 0 ? options.max_series : options.size_bytes / kBytesPerSeriesDefault;
  return std::make_unique<Stub>(MemoryRingOptions{.max_series = series, .max_samples = options.size_bytes / 24});
}

std::uint64_t mapped_ring_bytes_max(const MappedRingOptions& options) { return options.size_bytes; }

}  // namespace core::ring
