// SPDX-License-Identifier: Apache-2.0
#include "core/ring/hot_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "core/ring/mapped_file.h"
#include "test/support/background_process.h"

namespace core::ring {
namespace {

constexpr std::uint64_t kBytes = 1 << 20;
constexpr std::uint64_t kPage = 4096;

// A file on a disk; the temporary folder may be in memory.
class HotPagesTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::string(WATCHKEEPER_BINARY_DIR) + "/hot-pages-" + std::to_string(::getpid());
    auto file = MappedFile::create(path_, kBytes, {});
    ASSERT_TRUE(file) << file.error().message;
    file_ = std::move(*file);
    hot_ = std::make_unique<HotPages>(file_->data(), kBytes);
    if (!populates()) GTEST_SKIP() << "this kernel is older than 5.14, or emulated";
    struct statfs system{};
    ASSERT_EQ(::statfs(path_.c_str(), &system), 0);
    if (system.f_type == 0x01021994) GTEST_SKIP() << path_ << " is on tmpfs, which is not written back";
  }
  // An emulator may take the call and do nothing: then each of the pages faults when it is written to.
  static bool populates() {
    constexpr std::size_t kPages = 16;
    void* const pages = ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return false;
    const bool taken = ::madvise(pages, kPages * kPage, /*MADV_POPULATE_WRITE*/ 23) == 0;
    const long before = HotPages::page_faults();
    for (std::size_t i = 0; i < kPages; ++i) static_cast<volatile char*>(pages)[i * kPage] = 1;
    const long faults = HotPages::page_faults() - before;
    ::munmap(pages, kPages * kPage);
    return taken && faults < static_cast<long>(kPages / 2);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  void write(std::uint64_t page, bool mark = true) {
    std::byte* const at = file_->data() + page * kPage + 100;
    *at = std::byte{static_cast<unsigned char>(page)};
    if (mark) hot_->mark(at);
  }
  void write_back() {
    const int descriptor = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::fdatasync(descriptor), 0);
    ::close(descriptor);
  }
  long faults_of_writing(std::uint64_t page) {
    const long before = HotPages::page_faults();
    write(page, false);
    return HotPages::page_faults() - before;
  }

  std::string path_;
  std::unique_ptr<MappedFile> file_;
  std::unique_ptr<HotPages> hot_;
};

TEST_F(HotPagesTest, WhatWasWrittenBackIsMadeWritableBeforeItsWritersCome) {
  for (const std::uint64_t page : {20, 21, 22, 23, 40, 255}) write(page);
  write(60, false);
  write_back();
  hot_->renew(false);
  EXPECT_EQ(hot_->renewed_bytes(), 8 * kPage) << "two and two pages, and the neighbours of 40 and 255";
  for (const std::uint64_t page : {20, 21, 22, 23, 40, 255}) EXPECT_EQ(faults_of_writing(page), 0) << page;
  EXPECT_GT(faults_of_writing(60), 0) << "nobody marked it";
  EXPECT_EQ(file_->data()[22 * kPage + 100], std::byte{22});
  for (int i = 0; i < 2; ++i) {
    write_back();
    hot_->renew(true);
    for (const std::uint64_t page : {20, 21, 22, 23, 40, 255}) EXPECT_EQ(faults_of_writing(page), 0) << page;
  }
  write_back();
  hot_->renew(true);
  EXPECT_EQ(hot_->renewed_bytes(), 24 * kPage) << "the marks were forgotten";
  EXPECT_GT(faults_of_writing(20), 0);
}

TEST_F(HotPagesTest, NoticeIsHeeded) {
  std::jthread keeper([this](std::stop_token stop) { hot_->keep(std::move(stop)); });
  write(20);
  EXPECT_EQ(hot_->renewed_bytes(), 0U);
  hot_->notice();
  EXPECT_TRUE(test_support::eventually(std::chrono::seconds(30), [&] { return hot_->renewed_bytes() >= 4 * kPage; }))
      << "at once, and when the rest may have been written back";
}

}  // namespace
}  // namespace core::ring
