// SPDX-License-Identifier: Apache-2.0
#include "core/ring/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "core/check.h"

namespace core::ring {
namespace {

// What the signal handler looks at: the mappings there are. A slot is in use while `end` is not 0.
struct Watched {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<LostPages*> lost{nullptr};
};

constexpr std::size_t kMappingsMax = 64;
std::array<Watched, kMappingsMax> watched_mappings;
std::uintptr_t page_bytes = 4096;
struct sigaction previous_action;

void pass_on(int signal, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
    previous_action.sa_sigaction(signal, info, context);
    return;
  }
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
    return;
  }
  // Not ours: the instruction runs again, and this time the default action ends the process. A signal that was sent has
  // no instruction to come back.
  sigaction(signal, &previous_action, nullptr);
  if (info->si_code <= 0) raise(signal);
}

// Only what is safe in a signal handler: atomics and mmap, a plain system call.
void on_sigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Watched& each : watched_mappings) {
    const std::uintptr_t end = each.end.load(std::memory_order_acquire);
    if (end == 0 || address >= end || address < each.begin.load(std::memory_order_relaxed)) continue;
    void* const page = reinterpret_cast<void*>(address / page_bytes * page_bytes);
    void* const empty = mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (empty == MAP_FAILED) break;
    LostPages* const lost = each.lost.load(std::memory_order_relaxed);
    lost->count.fetch_add(1, std::memory_order_relaxed);
    errno = saved_errno;
    return;
  }
  errno = saved_errno;
  pass_on(signal, info, context);
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_bytes = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    struct sigaction action{};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous_action);
  });
}

std::mutex watch_mutex;

bool watch(std::byte* begin, std::uint64_t bytes, LostPages& lost) {
  install_handler();
  const std::lock_guard lock(watch_mutex);
  for (Watched& each : watched_mappings) {
    if (each.end.load(std::memory_order_relaxed) != 0) continue;
    each.begin.store(reinterpret_cast<std::uintptr_t>(begin), std::memory_order_relaxed);
    each.lost.store(&lost, std::memory_order_relaxed);
    // release: the handler that sees the end sees the rest.
    each.end.store(reinterpret_cast<std::uintptr_t>(begin) + bytes, std::memory_order_release);
    return true;
  }
  return false;
}

void unwatch(const std::byte* begin) {
  const std::lock_guard lock(watch_mutex);
  for (Watched& each : watched_mappings) {
    if (each.begin.load(std::memory_order_relaxed) == reinterpret_cast<std::uintptr_t>(begin)) {
      each.end.store(0, std::memory_order_release);
      each.begin.store(0, std::memory_order_relaxed);
    }
  }
}

Result<void> take_lock(int descriptor, const std::string& path) {
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) return fail(Errc::kUnavailable, "{}: another process has it open", path);
  return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
}

// posix_fallocate gives an errno, and writes zeros where the file system cannot reserve.
Result<void> reserve(int descriptor, const std::string& path, std::uint64_t bytes) {
  int error = EINTR;
  while (error == EINTR) error = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  if (error == 0) return {};
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return fail(Errc::kLimitExceeded, "{}: the disk has no room for a ring of {} bytes ({})", path, bytes,
                std::strerror(error));
  }
  return fail(Errc::kFailed, "{}: {}", path, std::strerror(error));
}

}  // namespace

Result<std::unique_ptr<MappedFile>> MappedFile::create(const std::string& path, std::uint64_t bytes,
                                                       const Options& options) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  std::unique_ptr<MappedFile> file(new MappedFile(path, descriptor));
  auto ready = take_lock(descriptor, path).and_then([&] { return reserve(descriptor, path, bytes); }).and_then([&] {
    return file->map(options);
  });
  if (!ready) {
    unlink(path.c_str());
    return fail(ready.error());
  }
  return file;
}

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::string& path, const Options& options) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(errno == ENOENT ? Errc::kNotFound : Errc::kFailed, "{}: {}", path, std::strerror(errno));
  }
  std::unique_ptr<MappedFile> file(new MappedFile(path, descriptor));
  auto ready = take_lock(descriptor, path).and_then([&] { return file->map(options); });
  if (!ready) return fail(ready.error());
  return file;
}

Result<void> MappedFile::map(const Options& options) {
  struct stat status{};
  if (fstat(descriptor_, &status) != 0) return fail(Errc::kFailed, "{}: {}", path_, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(Errc::kInvalid, "{}: not a regular file", path_);
  if (status.st_size == 0) return fail(Errc::kInvalid, "{}: empty, not a ring", path_);
  size_ = static_cast<std::uint64_t>(status.st_size);
  void* const mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (mapped == MAP_FAILED) return fail(Errc::kFailed, "{}: mapping it: {}", path_, std::strerror(errno));
  data_ = static_cast<std::byte*>(mapped);
  if (!watch(data_, size_, lost_)) return fail(Errc::kLimitExceeded, "{}: too many rings in one process", path_);
  // Advice: a kernel without huge pages for this file system goes on with small ones.
  if (options.huge_pages) (void)madvise(data_, size_, MADV_HUGEPAGE);
  if (options.lock_memory && mlock(data_, size_) != 0) {
    return fail(Errc::kFailed, "{}: ring.lock_memory: {} (the limit on locked memory must be above the ring's size)",
                path_, std::strerror(errno));
  }
  return {};
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    munmap(data_, size_);
    unwatch(data_);
  }
  if (descriptor_ >= 0) close(descriptor_);
}

void MappedFile::release(std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t begin = (offset + page_bytes - 1) / page_bytes * page_bytes;
  const std::uint64_t end = (offset + bytes) / page_bytes * page_bytes;
  // Advice: without it the pages stay until the kernel wants them.
  if (begin < end) (void)madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

std::string MappedFile::problem() const {
  // relaxed: a number that only grows.
  const std::uint64_t lost = lost_.count.load(std::memory_order_relaxed);
  struct stat status{};
  const bool known = fstat(descriptor_, &status) == 0;
  if (known && static_cast<std::uint64_t>(status.st_size) < size_) {
    return fmt::format(
        "the ring's file {} was cut to {} of {} bytes: what was in the rest is lost, and what comes is "
        "kept until the agent ends",
        path_, status.st_size, size_);
  }
  if (lost > 0) {
    return fmt::format("{} pages of the ring's file {} could not be read or written: a full or failing disk", lost,
                       path_);
  }
  if (known && status.st_nlink == 0) {
    return fmt::format("the ring's file {} was removed: the ring ends with the agent", path_);
  }
  return {};
}

Result<void> MappedFile::rename_to(const std::string& path) {
  if (rename(path_.c_str(), path.c_str()) != 0) {
    return fail(Errc::kFailed, "{}: renaming it to {}: {}", path_, path, std::strerror(errno));
  }
  path_ = path;
  return {};
}

}  // namespace core::ring
