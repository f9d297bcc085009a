// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/chain_folders.h"

#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "actions/backup/scratch.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::fail;
using core::Result;

constexpr std::size_t kCurrentBytesMax = 4096;

Result<void> expect_folder(const std::string& path, std::string_view hint) {
  std::error_code failed;
  const fs::file_status status = fs::symlink_status(path, failed);
  if (fs::is_symlink(status)) {
    return fail(Errc::kInvalid, "{}: a symbolic link, which would be kept instead of what it leads to; {}", path, hint);
  }
  if (!fs::is_directory(status)) return fail(Errc::kInvalid, "{}: no such folder; {}", path, hint);
  return {};
}

Result<ChainFolders> geth_data(const GethConfig& geth, const std::string& root) {
  const std::string data = root + geth.data_dir + "/geth";
  const std::string chain = data + "/chaindata";
  for (const std::string& folder : {data, chain}) {
    if (auto there = expect_folder(folder, "data_dir is what Geth has as --datadir"); !there)
      return fail(there.error());
  }
  ChainFolders found;
  found.paths = {data};
  // The host's own: two nodes with one key are one node to their peers. Geth makes all of them anew.
  for (const char* const own : {"LOCK", "nodekey", "nodes", "jwtsecret", "transactions.rlp"}) {
    found.exclude.push_back(data + "/" + own);
  }
  found.databases = {chain};
  const std::string freezer = geth.ancient_dir.empty() ? chain + "/ancient" : root + geth.ancient_dir;
  if (auto there = expect_folder(freezer, "ancient_dir is what Geth has as --datadir.ancient"); !there) {
    return fail(there.error());
  }
  if (!geth.ancient_dir.empty()) found.paths.push_back(freezer);
  found.freezers = {freezer};
  return found;
}

Result<ChainFolders> beacon_data(const LighthouseBeaconConfig& beacon, const std::string& root) {
  const std::string data = root + beacon.data_dir + "/beacon";
  if (auto there = expect_folder(data, "data_dir is what Lighthouse has as --datadir"); !there) {
    return fail(there.error());
  }
  ChainFolders found;
  found.paths = {data};
  found.exclude = {data + "/logs", data + "/network"};
  const std::string hot = data + "/chain_db";
  if (beacon.hot_db) {
    if (auto there = expect_folder(hot, "data_dir is what Lighthouse has as --datadir"); !there) {
      return fail(there.error());
    }
    found.databases.push_back(hot);
  } else {
    found.exclude.push_back(hot);
  }
  const auto add = [&](const std::string& apart, const char* usual, const char* key) -> Result<void> {
    const std::string folder = apart.empty() ? data + "/" + usual : root + apart;
    if (auto there = expect_folder(folder, fmt::format("{} names it if it is elsewhere", key)); !there) return there;
    if (!apart.empty()) found.paths.push_back(folder);
    found.databases.push_back(folder);
    return {};
  };
  if (auto added = add(beacon.freezer_dir, "freezer_db", "freezer_dir"); !added) return fail(added.error());
  if (auto added = add(beacon.blobs_dir, "blobs_db", "blobs_dir"); !added) return fail(added.error());
  return found;
}

// LevelDB and older Pebble name the manifest in CURRENT; newer Pebble in the name of a file
// (marker.manifest.000001.MANIFEST-000008). A database of another kind has neither, and nothing is known of it.
Result<void> examine_database(const std::string& folder) {
  std::error_code failed;
  std::string manifest;
  constexpr std::string_view kMarker = "marker.manifest.";
  if (fs::exists(folder + "/CURRENT", failed)) {
    const Result<std::string> current = read_file(folder + "/CURRENT", kCurrentBytesMax);
    if (!current) return fail(current.error());
    manifest = current->substr(0, current->find('\n'));
  }
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kMarker)) continue;
    const std::size_t dot = name.find('.', kMarker.size());
    if (dot != std::string::npos) manifest = name.substr(dot + 1);
  }
  if (failed) return fail(Errc::kFailed, "{}: {}", folder, failed.message());
  if (manifest.empty()) {
    if (fs::is_empty(folder, failed)) return fail(Errc::kInvalid, "{}: an empty folder is no database", folder);
    return {};
  }
  if (manifest.find('/') != std::string::npos || !fs::is_regular_file(folder + "/" + manifest, failed)) {
    return fail(Errc::kInvalid, "{}: the database's manifest {} is not there", folder, manifest.substr(0, 100));
  }
  return {};
}

// The index of a frozen table is made of 6-byte entries, big-endian: 2 of a data file's number, 4 of an offset in it,
// where an item ends. The last says how far the newest data file must reach.
Result<void> examine_table(const fs::path& index) {
  std::ifstream file(index, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  if (!file || size < 6 || size % 6 != 0) {
    return fail(Errc::kInvalid, "{}: not the index of a frozen table ({} bytes)", index.string(), size);
  }
  std::array<unsigned char, 6> entry{};
  file.seekg(size - 6);
  if (!file.read(reinterpret_cast<char*>(entry.data()), entry.size())) {
    return fail(Errc::kFailed, "{}: cannot be read", index.string());
  }
  // The only entry of a table without items says where the first one will be.
  if (size == 6) return {};
  const unsigned number = entry[0] << 8U | entry[1];
  const std::uint64_t end = std::uint64_t{entry[2]} << 24U | std::uint64_t{entry[3]} << 16U |
                            std::uint64_t{entry[4]} << 8U | std::uint64_t{entry[5]};
  // headers.cidx has headers.0000.cdat beside it, of a table that is not compressed r instead of c.
  const std::string kind = index.extension().string().substr(1, 1);
  const fs::path data = index.parent_path() / fmt::format("{}.{:04}.{}dat", index.stem().string(), number, kind);
  std::error_code failed;
  const std::uint64_t held = fs::file_size(data, failed);
  if (failed) return fail(Errc::kInvalid, "{}: {}, and {} needs it", data.string(), failed.message(), index.string());
  if (held < end) {
    return fail(Errc::kInvalid, "{}: {} bytes, and {} speaks of {}", data.string(), held, index.string(), end);
  }
  return {};
}

Result<void> examine_freezer(const std::string& folder) {
  std::error_code failed;
  std::size_t tables = 0;
  for (fs::recursive_directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
    const std::string extension = it->path().extension().string();
    if (extension != ".cidx" && extension != ".ridx") continue;
    ++tables;
    if (auto examined = examine_table(it->path()); !examined) return examined;
  }
  if (failed) return fail(Errc::kFailed, "{}: {}", folder, failed.message());
  if (tables == 0) return fail(Errc::kInvalid, "{}: there is not one frozen table", folder);
  return {};
}

}  // namespace

Result<ChainFolders> chain_folders(const SourceConfig& source, const std::string& root) {
  return source.geth ? geth_data(*source.geth, root) : beacon_data(*source.lighthouse_beacon, root);
}

Result<void> examine_chain_folders(const SourceConfig& source, const std::string& root) {
  const Result<ChainFolders> found = chain_folders(source, root);
  if (!found) return fail(found.error());
  for (const std::string& folder : found->databases) {
    if (auto examined = examine_database(folder); !examined) return examined;
  }
  for (const std::string& folder : found->freezers) {
    if (auto examined = examine_freezer(folder); !examined) return examined;
  }
  return {};
}

}  // namespace actions::backup
