// SPDX-License-Identifier: Apache-2.0
// The cri prober against a runtime on a Unix socket that is made with the real gRPC library (Debian's python3-grpcio)
// and answers only what the interface has.
#include "collector/probe/protobuf.h"
#include "probe_fixture.h"
#include "test/support/background_process.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

namespace fs = std::filesystem;
using protobuf::put_bytes;
using protobuf::put_number;
using test_support::BackgroundProcess;
using testing::HasSubstr;

// Messages come from files beside the socket; without its file a method is not there.
constexpr const char* kRuntime = R"(
import os, sys, grpc
from concurrent import futures

FOLDER = sys.argv[1]
RUNNING_ONLY = bytes([0x0a, 4, 0x12, 2, 0x08, 1])  # filter.state.state: CONTAINER_RUNNING

def answer(name, wanted):
    def method(request, context):
        if request != wanted:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, 'not asked as it should be: %r' % request)
        path = os.path.join(FOLDER, name)
        if not os.path.exists(path):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, 'unknown service runtime.v1')
        return open(path, 'rb').read()
    return grpc.unary_unary_rpc_method_handler(method)

server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
server.add_generic_rpc_handlers((
    grpc.method_handlers_generic_handler('runtime.v1.RuntimeService', {
        'ListContainers': answer('containers', RUNNING_ONLY)}),
    grpc.method_handlers_generic_handler('runtime.v1.ImageService', {'ListImages': answer('images', b'')})))
server.add_insecure_port('unix:' + os.path.join(FOLDER, 'cri.sock'))
server.start()
server.wait_for_termination()
)";

std::string cri_digest(char digit) { return "sha256:" + std::string(64, digit); }

std::string text(std::uint32_t field, std::string_view value) {
  std::string message;
  put_bytes(message, field, value);
  return message;
}

struct Made {
  std::string name = {};
  std::string name_space = "staking";
  std::string pod = "pod-0";
  std::string image = {};
  std::string image_ref = {};
  std::string image_id = {};
  std::uint64_t state = 1;
};

// A Container with what a runtime has besides: an id, a sandbox, times, other labels.
std::string message_of(const Made& made) {
  std::string container = text(1, "c0ffee") + text(2, "5a9db0c5");
  put_bytes(container, 3, text(1, made.name) + std::string("\x10\x02", 2));
  put_bytes(container, 4, text(1, made.image) + text(18, made.image));
  if (!made.image_ref.empty()) put_bytes(container, 5, made.image_ref);
  put_number(container, 6, made.state);
  put_number(container, 7, 1'700'000'000'000'000'000);
  put_bytes(container, 8, text(1, "io.kubernetes.container.name") + text(2, made.name));
  put_bytes(container, 8, text(1, "io.kubernetes.pod.name") + text(2, made.pod));
  put_bytes(container, 8, text(1, "io.kubernetes.pod.namespace") + text(2, made.name_space));
  if (!made.image_id.empty()) put_bytes(container, 10, made.image_id);
  return text(1, container);
}

std::string image(const std::string& id, const std::vector<std::string>& repo_digests) {
  std::string message = text(1, id) + text(2, "docker.io/sigp/lighthouse:latest");
  for (const std::string& each : repo_digests) put_bytes(message, 3, each);
  put_number(message, 4, 123'456'789);
  return text(1, message);
}

class CriProberTest : public ProbeTest {
 protected:
  static void SetUpTestSuite() {
    folder = test_support::fresh_folder("probe-cri");
    test_support::write_file(folder / "runtime.py", kRuntime);
    runtime = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"/usr/bin/python3", (folder / "runtime.py").string(), folder.string()},
        folder / "runtime.log");
    ASSERT_TRUE(test_support::eventually(std::chrono::seconds(20), [] { return fs::exists(folder / "cri.sock"); }))
        << runtime->log_text();
  }
  static void TearDownTestSuite() { runtime.reset(); }

  static void tell(const std::string& containers, const std::string& images) {
    test_support::write_file(folder / "containers", containers);
    test_support::write_file(folder / "images", images);
  }
  ProbeResultPtr ask(const std::string& pinned = "{}") {
    return probe("{prober: cri, cri: {pinned: " + pinned + "}}", (folder / "cri.sock").string());
  }
  static std::string told(const ProbeResultPtr& result) { return metrics_text(*result, Audience::kRing); }

  inline static fs::path folder;
  inline static std::unique_ptr<BackgroundProcess> runtime;
};

TEST_F(CriProberTest, ImagesAreComparedByDigest) {
  // As containerd tells it (the image's own digest), as CRI-O does (a registry's, and an id without its algorithm), and
  // an image that no registry knows.
  tell(message_of({.name = "lighthouse",
                   .pod = "cl-0",
                   .image = "docker.io/sigp/lighthouse:v7",
                   .image_ref = cri_digest('a')}) +
           message_of({.name = "geth",
                       .name_space = "el",
                       .pod = "el-0",
                       .image = "geth:v1",
                       .image_ref = "docker.io/ethereum/client-go@" + cri_digest('2'),
                       .image_id = std::string(64, 'b')}) +
           message_of({.name = "local", .image = "local", .image_ref = cri_digest('c')}) +
           message_of({.name = "over", .image = "over", .image_ref = cri_digest('c'), .state = 2}),
       image(cri_digest('a'),
             {"docker.io/sigp/lighthouse@" + cri_digest('1'), "mirror.example/lighthouse@" + cri_digest('5')}) +
           image(std::string(64, 'b'), {"docker.io/ethereum/client-go@" + cri_digest('2')}) +
           image(cri_digest('c'), {}));
  const auto result = ask("{lighthouse: ['" + cri_digest('9') + "', '" + cri_digest('5') + "'], el/geth: ['" +
                          cri_digest('b') + "'], geth: ['" + cri_digest('9') + "'], local: ['" + cri_digest('1') +
                          "'], over: ['" + cri_digest('c') + "'], other/lighthouse: ['" + cri_digest('1') + "']}");
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  const std::string metrics = told(result);
  for (const char* const line :
       {"probe_container_image_pinned{container=\"lighthouse\",namespace=\"staking\",pod=\"cl-0\"} 1\n",
        "probe_container_image_pinned{container=\"geth\",namespace=\"el\",pod=\"el-0\"} 1\n",
        "probe_container_image_pinned{container=\"local\",namespace=\"staking\",pod=\"pod-0\"} 0\n",
        "probe_container_running{container=\"lighthouse\"} 1\n", "probe_container_running{container=\"over\"} 0\n",
        "probe_container_running{container=\"geth\",namespace=\"el\"} 1\n",
        "probe_container_running{container=\"lighthouse\",namespace=\"other\"} 0\n",
        "probe_container_images_known 1\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  EXPECT_THAT(metrics, HasSubstr("probe_container_info{container=\"lighthouse\",digest=\"" + cri_digest('1') +
                                 "\",image=\"docker.io/sigp/lighthouse:v7\",namespace=\"staking\",pod=\"cl-0\"} 1\n"));
  EXPECT_THAT(metrics, testing::Not(HasSubstr("image_pinned{container=\"over\""))) << "it does not run";
}

TEST_F(CriProberTest, AnImageThatIsGoneIsUnknown) {
  const std::string list = message_of({.name = "vc", .image = "vc:v1", .image_ref = cri_digest('a')}) +
                           message_of({.name = "bn", .image = "bn:v1", .image_ref = cri_digest('b')});
  tell(list, image(cri_digest('b'), {"bn@" + cri_digest('2')}));
  auto result = ask("{vc: ['" + cri_digest('1') + "'], bn: ['" + cri_digest('2') + "']}");
  EXPECT_EQ(reason(result), "image_unknown");
  EXPECT_TRUE(result->report.unknown());
  EXPECT_THAT(result->report.failure().detail, HasSubstr("container vc"));
  EXPECT_THAT(told(result), testing::Not(HasSubstr("image_pinned{container=\"vc\"")));
  EXPECT_EQ(value(result, "probe_container_image_pinned", "bn"), 1) << "the others are told";
  EXPECT_EQ(value(result, "probe_container_running", "vc"), 1);
  EXPECT_EQ(value(result, "probe_container_images_known"), 0);
  result = ask("{vc: ['" + cri_digest('a') + "']}");
  EXPECT_EQ(reason(result), "none") << "its own digest is pinned, and told";
  // Two of one name and pod, while one is put in the other's place: the worse counts.
  tell(message_of({.name = "vc", .image_ref = cri_digest('b')}) +
           message_of({.name = "vc", .image_ref = cri_digest('c')}) +
           message_of({.name = "vc", .image_ref = cri_digest('b')}),
       image(cri_digest('b'), {}) + image(cri_digest('c'), {}));
  EXPECT_EQ(value(ask("{vc: ['" + cri_digest('b') + "']}"), "probe_container_image_pinned", "vc"), 0);
}

TEST_F(CriProberTest, ARuntimeThatFailsTellsNothing) {
  fs::remove(folder / "containers");
  auto result = ask();
  EXPECT_EQ(reason(result), "grpc_status");
  EXPECT_THAT(result->report.failure().detail,
              HasSubstr("runtime.v1.RuntimeService/ListContainers: grpc-status 12 unknown service runtime.v1"));
  EXPECT_EQ(value(result, "probe_container_images_known"), 0);
  const std::string good = message_of({.name = "vc", .image_ref = cri_digest('a')});
  tell(good, "");
  fs::remove(folder / "images");
  EXPECT_EQ(reason(ask()), "grpc_status");
  for (const std::string& broken :
       {good.substr(0, good.size() - 1), std::string("\x0a\x02\x1a\x05", 4), std::string("\x0b", 1),
        std::string("\0", 1), text(1, text(8, "\x0a")), std::string(20, '\xff')}) {
    tell(broken, "");
    result = ask();
    EXPECT_EQ(reason(result), "protocol") << testing::PrintToString(broken);
    EXPECT_TRUE(absent(result, "probe_container_info"));
    tell(good, broken);
    EXPECT_EQ(reason(ask()), broken[0] == '\x0a' && broken.size() == 5 ? "none" : "protocol")
        << testing::PrintToString(broken);
  }
  tell(message_of({.image_ref = cri_digest('a')}), "");
  EXPECT_EQ(reason(ask()), "protocol") << "a container without a name";
  std::string many;
  for (int i = 0; i < 501; ++i) many += good;
  tell(many, "");
  EXPECT_EQ(reason(ask()), "body_too_large");
  tell(good + text(9, std::string((4 << 20) + 1, 'x')), "");
  EXPECT_EQ(reason(ask()), "body_too_large");
  tell("", "");
  result = ask("{vc: ['" + cri_digest('a') + "']}");
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_container_running", "vc"), 0);
}

TEST_F(CriProberTest, WhatIsNoRuntime) {
  EXPECT_EQ(reason(probe("{prober: cri}", "cri.sock")), "bad_target");
  EXPECT_TRUE(probe("{prober: cri}", "/nonexistent/cri.sock")->report.failed());
}

}  // namespace
}  // namespace collector::probe
