#include "git/protocol.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/rng.h"
#include "base/status.h"
#include "git/pkt_line.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char kId[] = "a9993e364706816aba3e25717850c26c9cd0d89d";
const ObjectId kTip = *ObjectId::FromHex(kId);

std::string Pkt(absl::string_view payload) {
  std::string out;
  AppendPkt(out, payload);
  return out;
}

std::string Band(char band, absl::string_view payload) {
  return Pkt(absl::StrCat(std::string(1, band), payload));
}

Advertisement With(std::vector<std::string> capabilities) {
  Advertisement out;
  out.capabilities = std::move(capabilities);
  return out;
}

RefUpdate Update() { return {"refs/heads/main", ObjectId(), kTip}; }

TEST(PktLineTest, ReadsWhatItWroteAndRefusesTheRest) {
  std::string bytes = Pkt("hello\n");
  AppendFlush(bytes);
  EXPECT_EQ(bytes, "000ahello\n0000");
  PktReader reader(bytes);
  EXPECT_EQ(reader.Next()->line(), "hello");
  EXPECT_EQ(reader.Next()->kind, PktReader::Kind::kFlush);
  EXPECT_EQ(reader.Next()->kind, PktReader::Kind::kEnd);
  for (const char* bad : {"000", "0005", "0003", "zzzz", "ffff", "<html>"}) {
    EXPECT_EQ(PktReader(bad).Next().status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(AdvertisementTest, ReadsRefsCapabilitiesAndHead) {
  const std::string refs =
      absl::StrCat(Pkt(absl::StrCat(kId, " HEAD", absl::string_view("\0", 1),
                                    "side-band-64k symref=HEAD:refs/heads/main agent=git/2.39\n")),
                   Pkt(absl::StrCat(kId, " refs/heads/main\n")),
                   Pkt(absl::StrCat(kId, " refs/tags/v1^{}\n")), "0000");
  for (const std::string& bytes :
       {refs, absl::StrCat(Pkt("# service=git-upload-pack\n"), "0000", refs),
        absl::StrCat(Pkt("version 1\n"), refs)}) {
    const auto parsed = ParseAdvertisement(bytes, Service::kUploadPack);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->Tip("main"), kTip);
    EXPECT_EQ(parsed->Tip("other"), std::nullopt);
    EXPECT_EQ(parsed->head, "refs/heads/main");
    EXPECT_TRUE(parsed->Has("side-band-64k"));
    EXPECT_TRUE(parsed->Has("agent"));
    EXPECT_FALSE(parsed->Has("side-band"));
    EXPECT_EQ(parsed->refs.size(), 2u);
  }
}

TEST(AdvertisementTest, EmptyRepository) {
  const std::string line = absl::StrCat(std::string(40, '0'), " capabilities^{}",
                                        absl::string_view("\0", 1), "report-status atomic");
  const auto parsed = ParseAdvertisement(absl::StrCat(Pkt(line), "0000"), Service::kReceivePack);
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->refs.empty());
  EXPECT_TRUE(parsed->Has("atomic"));
}

TEST(AdvertisementTest, WhatIsRefusedAndHow) {
  const auto code = [](const std::string& bytes) {
    return ParseAdvertisement(bytes, Service::kUploadPack).status().code();
  };
  EXPECT_EQ(code(Pkt("ERR Repository not found.\n")), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(Pkt("ERR access denied\n")), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(absl::StrCat(Pkt("# service=git-receive-pack"), "0000")),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Pkt("version 2\n")), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code(absl::StrCat(
                Pkt(absl::StrCat(kId, " HEAD", absl::string_view("\0", 1), "object-format=sha256")),
                "0000")),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code("<html>login</html>"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(absl::StrCat(Pkt("nonsense"), "0000")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Pkt(absl::StrCat(kId, " HEAD"))), absl::StatusCode::kInvalidArgument);  // cut
}

TEST(AdvertisementTest, HugeOnesAreReadUpToTheLimit) {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i)
    AppendPkt(bytes, absl::StrFormat("%s refs/heads/b%06d\n", kId, i));
  AppendFlush(bytes);
  const auto parsed = ParseAdvertisement(bytes, Service::kUploadPack);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->refs.size(), 200'000u);
  EXPECT_EQ(parsed->Tip("b199999"), kTip);
  const absl::Status status = ParseAdvertisement(bytes, Service::kUploadPack, 199'999).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("kMaxRefs"));
}

TEST(PushTest, AsksOnlyForWhatIsOffered) {
  const std::string head =
      PushHead(Update(), With({"report-status", "atomic", "delete-refs", "agent=git/2"}));
  EXPECT_THAT(head,
              HasSubstr(absl::StrCat(std::string(40, '0'), " ", kId, " refs/heads/main",
                                     absl::string_view("\0", 1), " report-status agent=purser")));
  EXPECT_THAT(head, Not(HasSubstr("side-band")));
}

TEST(PushTest, ReportsAreJudged) {
  const Advertisement server = With({"report-status", "side-band-64k"});
  const auto answer = [&](const std::string& report, const std::string& words = "") {
    const std::string bytes = absl::StrCat(words.empty() ? "" : Band(2, words),
                                           Band(1, absl::StrCat(report, "0000")), "0000");
    return ParsePushAnswer(bytes, Update(), server, {});
  };
  const std::string unpacked = Pkt("unpack ok\n");
  EXPECT_TRUE(answer(unpacked + Pkt("ok refs/heads/main\n")).ok());
  EXPECT_TRUE(ParsePushAnswer(absl::StrCat(unpacked, Pkt("ok refs/heads/main\n"), "0000"), Update(),
                              With({"report-status"}), {})
                  .ok());

  const absl::Status hook = answer(unpacked + Pkt("ng refs/heads/main pre-receive hook declined\n"),
                                   "GitLab: You are not allowed to push\n");
  EXPECT_EQ(hook.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(hook.message(),
            "push to refs/heads/main was refused: pre-receive hook declined (the server said: "
            "GitLab: You are not allowed to push)");
  EXPECT_EQ(answer(unpacked + Pkt("ng refs/heads/main protected branch hook declined\n")).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(answer(unpacked + Pkt("ng refs/heads/main non-fast-forward\n")).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(answer(unpacked + Pkt("ng refs/heads/main failed to update ref\n")).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(answer(unpacked + Pkt("ng refs/heads/main branch is currently checked out\n")).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(answer(Pkt("unpack index-pack abnormal exit\n")).code(),
            absl::StatusCode::kFailedPrecondition);

  const absl::Status silent = answer(unpacked);
  EXPECT_EQ(silent.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(base::IsOutcomeUnknown(silent));
  const absl::Status cut = ParsePushAnswer("00", Update(), server, {});
  EXPECT_EQ(cut.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(base::IsOutcomeUnknown(cut));
  EXPECT_EQ(
      ParsePushAnswer(absl::StrCat(Band(3, "quota not allowed"), "0000"), Update(), server, {})
          .code(),
      absl::StatusCode::kPermissionDenied);
}

TEST(PushTest, ProgressComesAsWholeSafeLines) {
  std::vector<std::string> lines;
  const ProgressSink sink = [&lines](absl::string_view line) { lines.emplace_back(line); };
  const std::string bytes = absl::StrCat(
      Band(2, "Resolving:  50%\rResolving: 100%\rResol"), Band(2, "ving: done\nbad \x1b[2J\n"),
      Band(2, "last"), Band(1, absl::StrCat(Pkt("unpack ok"), Pkt("ok refs/heads/main"), "0000")),
      "0000");
  EXPECT_TRUE(
      ParsePushAnswer(bytes, Update(), With({"report-status", "side-band-64k"}), sink).ok());
  EXPECT_THAT(lines, ElementsAre("Resolving: done", "bad \\u001B[2J", "last"));
}

TEST(FetchTest, RequestNamesDepthAndFilterWhereOffered) {
  FetchRequest request;
  request.want = kTip;
  request.filter = "blob:none";
  EXPECT_EQ(
      EncodeFetch(request, With({"side-band-64k", "shallow", "filter", "multi_ack_detailed"})),
      absl::StrCat(
          Pkt(absl::StrCat("want ", kId, " multi_ack_detailed side-band-64k shallow filter\n")),
          Pkt("deepen 1\n"), Pkt("filter blob:none\n"), "0000", Pkt("done\n")));
  EXPECT_EQ(EncodeFetch(request, With({})),
            absl::StrCat(Pkt(absl::StrCat("want ", kId, "\n")), "0000", Pkt("done\n")));
}

TEST(FetchTest, AnswersWithAndWithoutSideBand) {
  const std::string head = absl::StrCat(Pkt(absl::StrCat("shallow ", kId)), "0000", Pkt("NAK\n"));
  EXPECT_EQ(*ParseFetchAnswer(head + "PACKxyz", With({}), {}), "PACKxyz");
  const Advertisement server = With({"side-band-64k"});
  EXPECT_EQ(
      *ParseFetchAnswer(
          absl::StrCat(head, Band(1, "PACK"), Band(2, "hi\n"), Band(1, "xyz"), "0000"), server, {}),
      "PACKxyz");
  EXPECT_EQ(ParseFetchAnswer(Pkt("ERR upload-pack: not our ref"), server, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      ParseFetchAnswer(absl::StrCat(head, Band(3, "out of memory")), server, {}).status().message(),
      HasSubstr("the git server said: out of memory"));
  EXPECT_EQ(ParseFetchAnswer("", server, {}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ParseFetchAnswer(Pkt("what"), server, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FetchTest, MutatedAnswersNeverDoHarm) {
  const std::string good =
      absl::StrCat(Pkt(absl::StrCat("shallow ", kId)), "0000", Pkt("NAK\n"), Band(1, "PACKxyz"),
                   Band(2, "words\n"), Band(1, "more"), "0000");
  const Advertisement server = With({"side-band-64k", "report-status"});
  base::SeededRng rng(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (uint64_t i = 0; i <= rng.Below(3); ++i) {
      bytes[rng.Below(bytes.size())] = static_cast<char>(rng.Next());
    }
    bytes.resize(rng.Below(bytes.size() + 1));
    ParseFetchAnswer(bytes, server, {}).IgnoreError();
    ParsePushAnswer(bytes, Update(), server, {}).IgnoreError();
    ParseAdvertisement(bytes, Service::kUploadPack).IgnoreError();
  }
}

}  // namespace
}  // namespace purser::git
