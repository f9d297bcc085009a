// SPDX-License-Identifier: Apache-2.0
// A host that shows nonsense: whatever stands in /proc and /sys, a reading ends, is text that can be parsed, and says
// which source failed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

namespace fs = std::filesystem;

struct Sample {
  std::string path, text, collector;
};

// One file of every source whose form matters, and the collector that must fail when it is nonsense.
const std::vector<Sample>& tables() {
  static const std::vector<Sample> samples = {
      {"proc/stat",
       "cpu0 1 2 3 4 5 6 7 8 9 10\nintr 1 2\nctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n", "cpu"},
      {"proc/meminfo", "MemTotal:  2048 kB\nHugePages_Total:   5\n", "meminfo"},
      {"proc/vmstat", "pgpgin 6\npswpout 7\n", "vmstat"},
      {"proc/loadavg", "0.17 0.66 1.76 1/91 13246\n", "loadavg"},
      {"proc/pressure/cpu", "some avg10=0.45 avg60=0 avg300=0 total=2500000\n", "pressure"},
      {"proc/pressure/io", "some avg10=0 total=1000000\nfull avg10=0 total=500000\n", "pressure"},
      {"proc/pressure/memory", "some avg10=0 total=0\nfull avg10=0 total=0\n", "pressure"},
      {"proc/sys/fs/file-nr", "519\t0\t2466183\n", "filefd"},
      {"proc/diskstats", " 254 0 vda 10 2 8 500 20 4 16 1500 1 2000 2500 1 0 8 30 6 70\n", "diskstats"},
      {"proc/net/dev", "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", "netdev"},
      {"proc/net/netstat", "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 3 4\n", "netstat"},
      {"proc/net/snmp", "Tcp: ActiveOpens\nTcp: 77\n", "netstat"},
      {"proc/net/snmp6", "Ip6InOctets  52\n", "netstat"},
      {"proc/net/sockstat", "sockets: used 231\nTCP: inuse 5 mem 3\n", "sockstat"},
      {"proc/net/softnet_stat", "0000000a 00000002 00000003 0 0 0 0 0 0 0 0 0 0\n", "softnet"},
      {"proc/net/udp", "sl\n 5: 0100007F:0035 00000000:0000 07 00000010:00000020 0\n", "udp_queues"},
      {"proc/net/arp", "IP\n1.1.1.1 0x1 0x2 aa:bb:cc:dd:ee:ff * eth0\n", "arp"},
      {"proc/sys/net/netfilter/nf_conntrack_count", "123\n", "conntrack"},
      {"proc/sys/net/netfilter/nf_conntrack_max", "65536\n", "conntrack"},
      {"proc/net/stat/nf_conntrack", "entries found\n00000001 0000000a\n", "conntrack"},
      {"proc/mdstat", "Personalities : [raid1]\nmd0 : active raid1 sdb1[1] sda1[0]\n      10 blocks [2/2] [UU]\n",
       "mdadm"},
      {"proc/schedstat", "cpu0 0 0 0 0 0 0 2 1 7\n", "schedstat"},
      {"proc/sys/kernel/random/entropy_avail", "256\n", "entropy"},
      {"proc/sys/kernel/random/poolsize", "256\n", "entropy"},
      {"proc/1/mounts", "/dev/vda / ext4 ro,relatime 0 0\n", "filesystem"},
  };
  return samples;
}

// Files of which each stands for itself: what is wrong with one is one series less.
const std::vector<Sample>& attributes() {
  static const std::vector<Sample> samples = {
      {"proc/cpuinfo", "processor : 0\nmodel name : x\n", "cpu"},
      {"sys/class/net/eth0/mtu", "1500\n", "netclass"},
      {"sys/class/net/eth0/operstate", "up\n", "netclass"},
      {"sys/class/hwmon/hwmon0/name", "chip\n", "hwmon"},
      {"sys/class/hwmon/hwmon0/temp1_input", "5000\n", "hwmon"},
      {"sys/class/thermal/thermal_zone0/temp", "51000\n", "thermal_zone"},
      {"sys/class/powercap/intel-rapl:0/name", "package-0\n", "rapl"},
      {"sys/class/powercap/intel-rapl:0/energy_uj", "1\n", "rapl"},
      {"sys/devices/system/edac/mc/mc0/ce_count", "1\n", "edac"},
      {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "x\n", "cpufreq"},
      {"sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n", "time"},
      {"sys/class/dmi/id/product_name", "Box\n", "dmi"},
      {"sys/class/nvme/nvme0/model", "x\n", "nvme"},
      {"sys/class/power_supply/BAT0/type", "x\n", "powersupplyclass"},
      {"root/etc/os-release", "ID=debian\n", "os"},
      {"udev/b254:0", "E:ID_MODEL=x\n", "diskstats"},
  };
  return samples;
}

class HostileTest : public HostTree {
 protected:
  HostileTest() {
    config.cpu.info = true;
    for (const Sample& each : tables()) file(each.path, each.text);
    for (const Sample& each : attributes()) file(each.path, each.text);
  }
};

TEST_F(HostileTest, TheTreeIsGood) {
  const auto got = read();
  for (const auto* list : {&tables(), &attributes()}) {
    for (const Sample& each : *list) EXPECT_EQ(got.at(success(each.collector)), 1) << each.path;
  }
  EXPECT_THAT(complaints, testing::IsEmpty());
}

TEST_F(HostileTest, NonsenseFailsItsCollectorByName) {
  const std::string nonsense[] = {
      std::string("\0\x01\xff\xfe\x80 \n \xc3\x28\n", 12),
      "-\n",
      "word\n",
      "99999999999999999999999999999999999999\n",
      "nan inf 0x10\n",
      std::string(200'000, 'x'),
      std::string(200'000, ' ') + "a",
  };
  for (const Sample& each : tables()) {
    for (const std::string& text : nonsense) {
      file(each.path, text);
      const auto got = read();
      const bool one_number_is_fine =
          text.starts_with("9") && each.collector != "entropy" && each.collector != "conntrack";
      if (each.path != "proc/vmstat" && each.path != "proc/schedstat" && each.path != "proc/net/udp" &&
          each.path != "proc/net/arp" && each.path != "proc/net/stat/nf_conntrack" && !one_number_is_fine) {
        EXPECT_EQ(got.at(success(each.collector)), 0) << each.path << " with " << text.substr(0, 20);
        EXPECT_THAT(complaints, testing::Contains(testing::StartsWith(each.collector + ": "))) << each.path;
      }
    }
    fs::remove(folder + "/" + each.path);
    fs::create_directory(folder + "/" + each.path);
    EXPECT_EQ(read().at(success(each.collector)), 0) << each.path << " as a folder";
    fs::remove(folder + "/" + each.path);
    file(each.path, each.text);
  }
}

TEST_F(HostileTest, ANumberThatIsNoneFailsWhatCounts) {
  for (const auto& [path, text, collector] : std::vector<Sample>{
           {"proc/vmstat", "pgpgin x\n", "vmstat"},
           {"proc/schedstat", "cpu0 1 2 3\n", "schedstat"},
           {"proc/net/udp", "sl\n 5: 0 0 07 zz:00 0\n", "udp_queues"},
           {"proc/net/arp", "IP\n1.1.1.1\n", "arp"},
           {"proc/net/stat/nf_conntrack", "entries found\n00000001 g\n", "conntrack"},
           {"proc/stat", "cpu0 1 2 3 4 5 6 7 8 9\n", "cpu"},
           {"proc/stat", "cpu0 1 2 3 4 5 6 7 8 9 1e400\n", "cpu"},
           {"proc/meminfo", "MemTotal: 2048 MB\n", "meminfo"},
           {"proc/diskstats", "254 0 vda 10 2 8 500 20 4 -x 1500 1 2000 2500\n", "diskstats"},
           {"proc/diskstats", "../../x 0 vda 10 2 8 500 20 4 1 1500 1 2000 2500\n", "diskstats"},
           {"proc/mdstat", "md0 : active raid1 sdb1[1]\n      ten blocks [1/1] [U]\n", "mdadm"},
       }) {
    const std::string before = [&] {
      std::ifstream in(folder + "/" + path);
      return std::string(std::istreambuf_iterator<char>(in), {});
    }();
    file(path, text);
    EXPECT_EQ(read().at(success(collector)), 0) << path << ": " << text;
    file(path, before);
  }
  EXPECT_EQ(read().at(success("mdadm")), 1);
}

TEST_F(HostileTest, AFileWithoutEndIsReadToABound) {
  for (const auto* list : {&tables(), &attributes()}) {
    for (const Sample& each : *list) fs::resize_file(folder + "/" + each.path, 100 << 20);  // a hole: no disk is filled
  }
  fs::remove(folder + "/proc/loadavg");
  fs::create_symlink("/dev/zero", folder + "/proc/loadavg");
  const auto got = read();
  for (const Sample& each : tables()) EXPECT_EQ(got.at(success(each.collector)), 0) << each.path;
  EXPECT_THAT(complaints, testing::Contains(testing::HasSubstr("more than 4194304 bytes")));
}

TEST_F(HostileTest, RandomDamageNeverBreaksAReading) {
  const char* given = std::getenv("WATCHKEEPER_TEST_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device{}();
  std::printf("seed %u (WATCHKEEPER_TEST_SEED repeats it)\n", seed);
  std::mt19937 random(seed);
  std::vector<Sample> all = tables();
  all.insert(all.end(), attributes().begin(), attributes().end());
  for (int round = 0; round < 300; ++round) {
    Sample& each = all[random() % all.size()];
    std::string text = each.text;
    for (unsigned damage = 1 + random() % 4; damage > 0 && !text.empty(); --damage) {
      const std::size_t at = random() % text.size();
      switch (random() % 5) {
        case 0:
          text.resize(at);
          break;
        case 1:
          text[at] = static_cast<char>(random());
          break;
        case 2:
          text.insert(at, text);
          break;
        case 3:
          text.erase(at, 1 + random() % 5);
          break;
        default:
          text.insert(at, "18446744073709551615");
      }
    }
    file(each.path, text);
    HostMetrics metrics(clock, config);
    const std::string body = metrics.read().text;
    exposition::Parser parser(body, exposition::Format::kPrometheusText);
    auto entry = parser.next();
    while (entry != exposition::Entry::kEnd && entry != exposition::Entry::kInvalid) entry = parser.next();
    ASSERT_EQ(entry, exposition::Entry::kEnd) << parser.error().message << "\n" << each.path << ":\n" << text;
    file(each.path, random() % 2 == 0 ? each.text : text);
  }
}

}  // namespace
}  // namespace collector::host
