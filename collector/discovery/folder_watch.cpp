// SPDX-License-Identifier: Apache-2.0
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// Asio's fences, which ThreadSanitizer cannot see; Asio's own mutex orders the same accesses.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "collector/discovery/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/net/io_loop.h"

namespace collector::discovery {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Whoever writes a file does it in several steps, and all of them are told.
constexpr auto kSettle = std::chrono::milliseconds(20);
constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE | IN_MOVE_SELF | IN_ONLYDIR;

// Shared by the watch and the waits under way, which outlive it for a moment.
class Inotify : public std::enable_shared_from_this<Inotify> {
 public:
  Inotify(asio::io_context& context, std::vector<std::string> folders, std::function<void()> changed)
      : descriptor_(context), timer_(context), folders_(std::move(folders)), changed_(std::move(changed)) {
    const int file = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (file >= 0) descriptor_.assign(file);
  }

  bool ensure() {
    if (!descriptor_.is_open()) return false;
    bool all = true;
    // Adding what is watched already changes nothing.
    for (const std::string& folder : folders_) {
      all = ::inotify_add_watch(descriptor_.native_handle(), folder.c_str(), kEvents) >= 0 && all;
    }
    return all;
  }

  void wait() {
    if (!descriptor_.is_open()) return;
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->drain();
      self->settle();
      self->wait();
    });
  }

  void close() {
    changed_ = nullptr;
    timer_.cancel();
    descriptor_.close();
  }

 private:
  void drain() {
    alignas(inotify_event) std::array<char, 4096> events;
    while (::read(descriptor_.native_handle(), events.data(), events.size()) > 0) {
    }
  }

  void settle() {
    if (std::exchange(settling_, true)) return;
    timer_.expires_after(kSettle);
    timer_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!self) return;
      self->settling_ = false;
      if (error || !self->changed_) return;
      const auto changed = self->changed_;  // it may end this watch
      changed();
    });
  }

  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer timer_;
  std::vector<std::string> folders_;
  std::function<void()> changed_;
  bool settling_ = false;
};

class InotifyWatch final : public FolderWatch {
 public:
  explicit InotifyWatch(std::shared_ptr<Inotify> inotify) : inotify_(std::move(inotify)) {
    inotify_->ensure();
    inotify_->wait();
  }
  ~InotifyWatch() override { inotify_->close(); }
  bool ensure() override { return inotify_->ensure(); }

 private:
  std::shared_ptr<Inotify> inotify_;
};

class InotifyWatches final : public FolderWatches {
 public:
  explicit InotifyWatches(core::net::IoLoop& loop) : loop_(loop) {}
  std::unique_ptr<FolderWatch> watch(std::vector<std::string> folders, std::function<void()> changed) override {
    return std::make_unique<InotifyWatch>(
        std::make_shared<Inotify>(loop_.context(), std::move(folders), std::move(changed)));
  }

 private:
  core::net::IoLoop& loop_;
};

}  // namespace

std::unique_ptr<FolderWatches> make_folder_watches(core::net::IoLoop& loop) {
  return std::make_unique<InotifyWatches>(loop);
}

}  // namespace collector::discovery
