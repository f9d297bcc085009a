// SPDX-License-Identifier: Apache-2.0
#include "collector/host/host_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "collector/host/host_loop.h"
#include "core/ring/ring.h"
#include "core/time/cpu_time.h"
#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

using HostMetricsTest = HostTree;

TEST_F(HostMetricsTest, ReadsWhatTheKernelShows) {
  file("proc/stat",
       "cpu  300 0 0 0 0 0 0 0 0 0\ncpu0 100 20 30 400 50 6 7 8 9 1\ncpu1 200 0 0 0 0 0 0 0 0 0\n"
       "intr 77 1 2 3\nctxt 88\nbtime 1699999000\nprocesses 99\nprocs_running 3\nprocs_blocked 1\n");
  file("proc/meminfo", "MemTotal:  2048 kB\nActive(anon):  4 kB\nHugePages_Total:   5\n");
  file("proc/vmstat", "nr_free_pages 5\npgpgin 6\npswpout 7\npgmajfault 8\noom_kill 1\n");
  file("proc/loadavg", "0.17 0.66 1.76 1/91 13246\n");
  file("proc/pressure/cpu", "some avg10=0.45 avg60=0 avg300=0 total=2500000\nfull avg10=0 total=9\n");
  file("proc/pressure/io", "some avg10=0 total=1000000\nfull avg10=0 total=500000\n");
  file("proc/pressure/memory", "some avg10=0 total=0\nfull avg10=0 total=0\n");
  file("proc/sys/fs/file-nr", "519\t0\t2466183\n");
  file("proc/diskstats",
       "   7 0 loop0 1 1 1 1 1 1 1 1 1 1 1\n 254 0 vda 10 2 8 500 20 4 16 1500 1 2000 2500 1 0 8 30 6 70\n"
       " 8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n");
  file("proc/net/dev",
       "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nv@lan:1: 1 1 1 1 1 1 1 1 1 1 1 "
       "1 1 1 1 1\n");
  file("sys/class/net/eth0/operstate", "up\n");
  file("sys/class/net/eth0/mtu", "1500\n");
  file("sys/class/net/ifb0/operstate", "down\n");
  file("root/data/x y/f", "");
  file("proc/1/mounts",
       "/dev/vda /data/x\\040y ext4 ro,relatime 0 0\nproc /proc proc rw 0 0\nsrv:/x /data nfs4 rw 0 0\n"
       "tmpfs /dev/shm tmpfs rw 0 0\nsshfs /s fuse.sshfs rw 0 0\n/dev/vdb /gone ext4 rw 0 0\n");
  const auto got = read();
  const auto hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const std::map<std::string, double> expected = {
      {R"(node_cpu_seconds_total{cpu="0", mode="user"})", 100 / hz},
      {R"(node_cpu_seconds_total{cpu="0", mode="steal"})", 8 / hz},
      {R"(node_cpu_guest_seconds_total{cpu="0", mode="nice"})", 1 / hz},
      {R"(node_cpu_seconds_total{cpu="1", mode="user"})", 200 / hz},
      {"node_intr_total", 77},
      {"node_context_switches_total", 88},
      {"node_boot_time_seconds", 1699999000},
      {"node_forks_total", 99},
      {"node_procs_running", 3},
      {"node_procs_blocked", 1},
      {"node_memory_MemTotal_bytes", 2048 * 1024},
      {"node_memory_Active_anon_bytes", 4096},
      {"node_memory_HugePages_Total", 5},
      {"node_vmstat_pgpgin", 6},
      {"node_vmstat_pswpout", 7},
      {"node_vmstat_pgmajfault", 8},
      {"node_vmstat_oom_kill", 1},
      {"node_load1", 0.17},
      {"node_load15", 1.76},
      {"node_pressure_cpu_waiting_seconds_total", 2.5},
      {"node_pressure_io_stalled_seconds_total", 0.5},
      {"node_filefd_allocated", 519},
      {"node_filefd_maximum", 2466183},
      {R"(node_disk_reads_completed_total{device="vda"})", 10},
      {R"(node_disk_read_bytes_total{device="vda"})", 8 * 512},
      {R"(node_disk_write_time_seconds_total{device="vda"})", 1.5},
      {R"(node_disk_io_now{device="vda"})", 1},
      {R"(node_disk_flush_requests_time_seconds_total{device="vda"})", 0.07},
      {R"(node_network_receive_bytes_total{device="eth0"})", 1},
      {R"(node_network_transmit_compressed_total{device="eth0"})", 16},
      {R"(node_network_receive_bytes_total{device="v@lan:1"})", 1},
      {R"(node_network_up{device="eth0"})", 1},
      {R"(node_network_up{device="ifb0"})", 0},
      {R"(node_network_mtu_bytes{device="eth0"})", 1500},
      {R"(node_filesystem_readonly{device="/dev/vda", fstype="ext4", mountpoint="/data/x y"})", 1},
      {R"(node_filesystem_device_error{device="/dev/vda", fstype="ext4", mountpoint="/data/x y"})", 0},
      {R"(node_filesystem_device_error{device="/dev/vdb", fstype="ext4", mountpoint="/gone"})", 1},
      {"node_time_seconds", 1'700'000'000.5},
  };
  for (const auto& [series, value] : expected) {
    const auto found = got.find(series);
    ASSERT_NE(found, got.end()) << series;
    EXPECT_DOUBLE_EQ(found->second, value) << series;
  }
  for (const auto& [series, value] : got) {
    EXPECT_EQ(series.find("loop0"), std::string::npos) << series;
    EXPECT_EQ(series.find("sda1"), std::string::npos) << series;
    EXPECT_EQ(series.find("nfs4"), std::string::npos) << series;
    EXPECT_EQ(series.find("sshfs"), std::string::npos) << series;
    EXPECT_EQ(series.find("tmpfs"), std::string::npos) << series;
    EXPECT_EQ(series.find("nr_free_pages"), std::string::npos) << series;
    EXPECT_EQ(series.find("node_pressure_cpu_stalled"), std::string::npos) << series;
  }
  EXPECT_GT(got.at(R"(node_filesystem_size_bytes{device="/dev/vda", fstype="ext4", mountpoint="/data/x y"})"), 0);
}

TEST_F(HostMetricsTest, ASourceThatCannotBeReadIsTold) {
  file("proc/loadavg", "0.5 0.5 0.5 1/91 13246\n");
  file("proc/stat", "nonsense\n");
  const auto got = read();
  EXPECT_EQ(got.at(R"(node_scrape_collector_success{collector="loadavg"})"), 1);
  for (const std::string name : {"cpu", "meminfo", "diskstats", "netdev", "filesystem", "pressure", "filefd"}) {
    EXPECT_EQ(got.at("node_scrape_collector_success{collector=\"" + name + "\"}"), 0) << name;
  }
}

TEST_F(HostMetricsTest, ThisMachineCanBeRead) {
  config.path = {};
  const auto got = read();
  EXPECT_EQ(got.at(R"(node_scrape_collector_success{collector="cpu"})"), 1);
  EXPECT_GT(got.at("node_memory_MemTotal_bytes"), 0);
  EXPECT_GT(got.at("node_boot_time_seconds"), 0);
}

TEST_F(HostMetricsTest, EntersTheRingAsAJob) {
  file("proc/loadavg", "0.5 0.5 0.5 1/91 13246\n");
  const auto ring = core::ring::make_memory_ring();
  scrape::InlineShard shard(*ring);
  int arrivals = 0;
  const auto loop =
      std::make_shared<HostLoop>(clock, clock, shard, config, "box", [&](const scrape::Arrival&) { ++arrivals; });
  loop->start();
  clock.advance(std::chrono::seconds(15));
  std::filesystem::remove(config.path.proc + "/loadavg");
  clock.advance(std::chrono::seconds(15));
  const core::ring::Matcher matchers[] = {core::ring::Matcher::equal("__name__", "node_load1"),
                                          core::ring::Matcher::equal("job", "host"),
                                          core::ring::Matcher::equal("instance", "box")};
  const auto series = ring->reader().select(matchers);
  ASSERT_EQ(series.size(), 1U);
  std::vector<core::ring::Sample> samples;
  ring->reader().read(series[0].ref, 0, INT64_MAX, samples);
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[1].value, 0.5);
  EXPECT_EQ(samples[1].time_ms - samples[0].time_ms, 15'000);
  EXPECT_TRUE(core::ring::is_stale(samples[2].value));
  EXPECT_EQ(loop->status().health, scrape::Health::kUp);
  EXPECT_EQ(arrivals, 3);
  loop->stop();
  clock.advance(std::chrono::minutes(5));
  EXPECT_EQ(arrivals, 3);
}

// The whole way of a reading of this machine, into the ring, once a second. The bound is loose because the machine may
// be any; the figure is printed.
TEST_F(HostMetricsTest, AReadingIsCheap) {
  config.path = {};
  config.interval = std::chrono::seconds(1);
  const auto ring = core::ring::make_memory_ring();
  scrape::InlineShard shard(*ring);
  const auto loop = std::make_shared<HostLoop>(clock, clock, shard, config, "box");
  loop->start();
  constexpr int kReadings = 100;
  const core::Duration before = core::thread_cpu_time();
  clock.advance(std::chrono::seconds(kReadings));
  const core::Duration each = (core::thread_cpu_time() - before) / kReadings;
  std::printf("%.3f ms of processor time for a reading of %zu samples\n", static_cast<double>(each.count()) / 1e6,
              static_cast<std::size_t>(loop->status().last_report.scraped));
  EXPECT_LT(each, std::chrono::milliseconds(20));
  loop->stop();
}

TEST(HostConfigTest, SaysWhereItIsWrong) {
  const auto error = [](const std::string& text) {
    const auto node = core::config::Node::parse(text, "host.yml");
    const auto read = HostConfig::fields().read(*node);
    return read ? std::string() : read.error().message;
  };
  EXPECT_EQ(error("netdev: {device_exclude: \"^(veth|docker)\"}\ncollectors: {systemd: false, processes: true}\n"), "");
  EXPECT_THAT(error("netdev:\n  device_exclude: \"(\"\n"),
              testing::StartsWith("host.yml:2:19: device_exclude: invalid regular expression \"(\": "));
  EXPECT_EQ(error("collectors: {sistemd: true}\n"),
            "host.yml:1:14: collectors: unknown key \"sistemd\" (did you mean \"systemd\"?)");
  EXPECT_THAT(error("collectors: {systemd: maybe}\n"), testing::StartsWith("host.yml:1:23: "));
  EXPECT_THAT(error("collectors: [systemd]\n"), testing::StartsWith("host.yml:1:13: expected a map of collectors"));
  EXPECT_THAT(error("containers: {cgroups_max: 0}\n"), testing::HasSubstr("cgroups_max: expected 1 to 10000"));
}

}  // namespace
}  // namespace collector::host
