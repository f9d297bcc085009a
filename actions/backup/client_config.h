// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/config/table.h"
#include "core/time/clock.h"

namespace actions::backup {

// A snapshot of the volumes that hold a client's data, made by programs of the user's (LVM, btrfs, EBS).
//
// Thread safety: a value.
struct VolumeSnapshotConfig {
  std::vector<std::string> create;   // when it has ended, the snapshot holds what the client had written until then
  std::vector<std::string> mount;    // makes it readable; the client runs again meanwhile. Empty: create has done it
  std::vector<std::string> release;  // removes it, also one that was only half made, or is not there any more
  std::string root;                  // folder below which the snapshot shows the same paths
  core::Millis timeout = std::chrono::minutes(5);  // of each program

  bool given() const { return !create.empty(); }
  static const core::config::Table<VolumeSnapshotConfig>& fields();
};

// A program that writes its data all the time, and how its data can be found at rest: it is stopped, or a snapshot is
// made of its volumes, or the one while the other. Never a validator client.
//
// Thread safety: a value.
struct ClientConfig {
  std::string service;             // a unit of systemd; or by programs of the user's:
  std::vector<std::string> stop;   // ends well when the client has ended
  std::vector<std::string> start;  // may be asked for a client that runs already
  std::vector<std::string> check;  // exit status 0: it runs, 1: it does not; empty: it is taken to run
  core::Millis stop_timeout = std::chrono::minutes(5);
  core::Millis start_timeout = std::chrono::seconds(90);
  core::Millis stopped_max = std::chrono::hours(1);  // then it is started, and the backup has failed
  bool copy_ahead = true;                            // most is copied before it is stopped
  std::vector<std::string> require;                  // PromQL: it is stopped only if all hold
  std::vector<std::string> gates;                    // by name, of `remediation_gates`
  core::Millis fresh_within = std::chrono::minutes(2);
  VolumeSnapshotConfig snapshot;

  bool is_stopped() const { return !service.empty() || !stop.empty(); }
  // "geth.service", or the program that stops it: for people.
  std::string name() const { return service.empty() ? (stop.empty() ? "the client" : stop.front()) : service; }
  static const core::config::Table<ClientConfig>& fields();
};

// Geth's chain data.
//
// Thread safety: a value.
struct GethConfig {
  std::string data_dir;     // its --datadir
  std::string ancient_dir;  // its --datadir.ancient, if that is elsewhere
  ClientConfig client;

  static const core::config::Table<GethConfig>& fields();
};

// The database of a Lighthouse beacon node.
//
// Thread safety: a value.
struct LighthouseBeaconConfig {
  std::string data_dir;     // its --datadir
  std::string freezer_dir;  // its --freezer-dir, if that is elsewhere
  std::string blobs_dir;    // its --blobs-dir, likewise
  bool hot_db = true;       // without it: what checkpoint sync cannot bring back
  ClientConfig client;

  static const core::config::Table<LighthouseBeaconConfig>& fields();
};

// Whether an argument vector names a validator client as what it is about: lighthouse-vc.service.
bool names_validator_client(const std::vector<std::string>& argv);
// Whether a running program's arguments are those of a validator client: `lighthouse vc`.
bool runs_validator_client(const std::vector<std::string>& argv);

}  // namespace actions::backup
