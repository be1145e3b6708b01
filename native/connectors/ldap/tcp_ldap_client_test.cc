#include "connectors/ldap/tcp_ldap_client.h"

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "connectors/ldap/ber.h"
#include "connectors/ldap/ldap_message.h"
#include "connectors/ldap/test_slapd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/socket.h"

namespace purser::connectors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr char kBase[] = "dc=acme,dc=test";

std::string People(int count) {
  std::string ldif =
      "dn: dc=acme,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: Acme\ndc: acme\n\n"
      "dn: ou=people,dc=acme,dc=test\nobjectClass: organizationalUnit\nou: people\n\n";
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&ldif, "dn: uid=u", i,
                    ",ou=people,dc=acme,dc=test\nobjectClass: inetOrgPerson\n", "uid: u", i,
                    "\ncn: User ", i, "\nsn: ", i, "\nmail: u", i, "@acme.test\n\n");
  }
  // Names that would leave a filter, and one beyond ASCII.
  absl::StrAppend(&ldif, "dn: cn=a*)(uid\\3D*,ou=people,dc=acme,dc=test\nobjectClass: person\n",
                  "cn: a*)(uid=*\nsn:: w4k=\n\n");
  return ldif;
}

LdapOptions Options(const std::string& url) {
  LdapOptions options;
  options.url = url;
  options.bind_dn = "cn=admin,dc=acme,dc=test";
  options.password = "s3cret";
  options.allow_plain_text = true;
  options.page_size = 10;
  return options;
}

struct Found {
  absl::StatusOr<int64_t> result;
  std::vector<LdapEntry> entries;
};
Found Find(LdapOptions options, LdapSearch search,
           http::AddressPolicy policy = http::AddressPolicy::AllowAll(),
           std::stop_token stop = {}) {
  auto client = TcpLdapClient::Create(std::move(options), std::move(policy));
  if (!client.ok()) return {client.status(), {}};
  Found found{int64_t{0}, {}};
  found.result = (*client)->Search(
      search,
      [&](const LdapEntry& entry) {
        found.entries.push_back(entry);
        return absl::OkStatus();
      },
      stop);
  return found;
}

class SlapdTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    slapd_ = new TestSlapd();
    problem_ = slapd_->Start(People(35));
  }
  static void TearDownTestSuite() { delete slapd_; }
  void SetUp() override {
    if (absl::StartsWith(problem_, "SKIP")) GTEST_SKIP() << problem_;
    ASSERT_EQ(problem_, "");
  }
  static TestSlapd* slapd_;
  static std::string problem_;
};
TestSlapd* SlapdTest::slapd_ = nullptr;
std::string SlapdTest::problem_;

TEST_F(SlapdTest, AllEntriesComePageByPage) {
  const Found found =
      Find(Options(slapd_->url()),
           {kBase, LdapScope::kSubtree, "(objectClass=inetOrgPerson)", {"uid", "mail"}});
  ASSERT_TRUE(found.result.ok()) << found.result.status();
  ASSERT_EQ(found.entries.size(), 35u);
  EXPECT_EQ(found.entries[34].First("MAIL"), "u34@acme.test");
  EXPECT_EQ(found.entries[34].First("sn"), "");
  EXPECT_EQ(found.entries[34].dn, "uid=u34,ou=people,dc=acme,dc=test");
}

TEST_F(SlapdTest, TheServersLimitIsNotTakenForTheEnd) {
  LdapOptions options = Options(slapd_->url());
  options.bind_dn.clear();  // the administrator has no limits
  options.page_size = 0;
  const Found cut = Find(options, {kBase, LdapScope::kSubtree, "(objectClass=*)", {"uid"}});
  EXPECT_EQ(cut.result.status().code(), absl::StatusCode::kResourceExhausted);
  options.page_size = 3;
  const Found whole = Find(options, {kBase, LdapScope::kSubtree, "(uid=u*)", {"uid"}});
  ASSERT_TRUE(whole.result.ok()) << whole.result.status();
  EXPECT_EQ(whole.entries.size(), 35u);
}

TEST_F(SlapdTest, TlsIsSpokenFromTheStartOrLater) {
  LdapOptions options = Options(slapd_->ldaps());
  options.allow_plain_text = false;
  options.tls.ca_pem = slapd_->ca_pem();
  const LdapSearch search = {kBase, LdapScope::kBase, "(objectClass=*)", {"o"}};
  const Found direct = Find(options, search);
  ASSERT_TRUE(direct.result.ok()) << direct.result.status();
  EXPECT_EQ(direct.entries.at(0).First("o"), "Acme");
  options.url = slapd_->url();
  options.start_tls = true;
  const Found upgraded = Find(options, search);
  ASSERT_TRUE(upgraded.result.ok()) << upgraded.result.status();
  // A certificate of an authority that nobody named.
  options.tls.ca_pem.clear();
  EXPECT_EQ(Find(options, search).result.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SlapdTest, FiltersFindWhatIsMeant) {
  const Found odd = Find(Options(slapd_->url()),
                         {kBase, LdapScope::kSubtree, "(cn=a\\2a\\29\\28uid=\\2a)", {"sn"}});
  ASSERT_TRUE(odd.result.ok()) << odd.result.status();
  ASSERT_EQ(odd.entries.size(), 1u);
  EXPECT_EQ(odd.entries[0].First("sn"), "\xC3\x89");
  const Found some =
      Find(Options(slapd_->url()), {"ou=people,dc=acme,dc=test",
                                    LdapScope::kOne,
                                    "(&(uid=u1*)(!(uid=u10))(|(uid=u11)(mail=*2@*)))",
                                    {"uid"}});
  std::vector<std::string> ids;
  for (const LdapEntry& entry : some.entries) ids.push_back(entry.First("uid"));
  EXPECT_THAT(ids, UnorderedElementsAre("u11", "u12"));
}

TEST_F(SlapdTest, ErrorsSayWhatToDo) {
  const LdapSearch search = {kBase, LdapScope::kSubtree, "(uid=*)", {}};
  LdapOptions wrong = Options(slapd_->url());
  wrong.password = "canary-wrong";
  const absl::Status refused = Find(wrong, search).result.status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("invalid credentials"));
  EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("canary")));
  const absl::Status missing =
      Find(Options(slapd_->url()),
           {"ou=nowhere,dc=acme,dc=test", LdapScope::kSubtree, "(uid=*)", {}})
          .result.status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Find(Options(slapd_->url()), {kBase, LdapScope::kSubtree, "(uid=", {}})
                .result.status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  // The guard judges the address.
  EXPECT_EQ(Find(Options(slapd_->url()), search, http::AddressPolicy()).result.status().code(),
            absl::StatusCode::kPermissionDenied);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Find(Options(slapd_->url()), search, http::AddressPolicy::AllowAll(), stop.get_token())
                .result.status()
                .code(),
            absl::StatusCode::kCancelled);
}

TEST(LdapOptionsTest, WhatIsUnsafeOrWrongIsRefused) {
  LdapOptions options = Options("ldap://dir.test");
  options.allow_plain_text = false;
  EXPECT_EQ(TcpLdapClient::Create(options, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  options.password.clear();
  EXPECT_THAT(std::string(TcpLdapClient::Create(options, {}).status().message()),
              HasSubstr("empty password"));
  for (const char* url : {"http://x", "ldap://", "ldap://x:0", "ldap://x:70000", "ldap://a@b",
                          "ldaps://x/dc=a", "ldap://[::1"}) {
    LdapOptions wrong = Options(url);
    EXPECT_EQ(TcpLdapClient::Create(wrong, {}).status().code(), absl::StatusCode::kInvalidArgument)
        << url;
  }
  EXPECT_TRUE(TcpLdapClient::Create(Options("ldaps://[::1]:1636"), {}).ok());
}

// A server that says what a test wants; one connection.
class ScriptedServer {
 public:
  // Gets each whole message; gives the bytes to answer with, "" closes.
  using Answer = std::function<std::string(const LdapMessage& message)>;
  explicit ScriptedServer(Answer answer) : answer_(std::move(answer)) {
    auto listener = http::TcpListener::Listen(*http::IpAddress::Parse("127.0.0.1"), 0);
    EXPECT_TRUE(listener.ok());
    listener_ = *std::move(listener);
    thread_ = std::jthread([this](std::stop_token stop) { Serve(stop); });
  }
  LdapOptions Options() const {
    LdapOptions options;
    options.url = absl::StrCat("ldap://127.0.0.1:", listener_->port());
    options.page_size = 2;
    options.timeout = absl::Seconds(20);
    return options;
  }

  static std::string Wrap(const LdapMessage& to, const std::string& operation,
                          const std::string& controls = "") {
    return BerElement(kBerSequence, BerNumber(kBerInteger, to.id) + operation + controls);
  }
  static std::string Entry(const LdapMessage& to, const std::string& dn,
                           const std::string& attribute, const std::vector<std::string>& values) {
    std::string set;
    for (const std::string& value : values) set += BerElement(kBerOctets, value);
    return Wrap(
        to, BerElement(kLdapSearchEntry,
                       BerElement(kBerOctets, dn) +
                           BerElement(kBerSequence,
                                      BerElement(kBerSequence, BerElement(kBerOctets, attribute) +
                                                                   BerElement(kBerSet, set)))));
  }
  static std::string Done(const LdapMessage& to, const std::string& cookie, int code = 0,
                          bool with_control = true) {
    const std::string result =
        BerElement(kLdapSearchDone, BerNumber(kBerEnumerated, code) + BerElement(kBerOctets, "") +
                                        BerElement(kBerOctets, ""));
    if (!with_control) return Wrap(to, result);
    const std::string value =
        BerElement(kBerSequence, BerNumber(kBerInteger, 0) + BerElement(kBerOctets, cookie));
    return Wrap(to, result,
                BerElement(0xA0, BerElement(kBerSequence, BerElement(kBerOctets, kPagedResultsOid) +
                                                              BerElement(kBerOctets, value))));
  }

 private:
  void Serve(std::stop_token stop) {
    const http::Deadline deadline(absl::Seconds(60), stop);
    auto stream = listener_->Accept(deadline);
    if (!stream.ok()) return;
    std::string buffer;
    char bytes[4096];
    for (;;) {
      const auto length = BerLength(buffer);
      if (!length.ok()) return;
      if (*length == 0 || buffer.size() < *length) {
        const auto read = (*stream)->Read(bytes, sizeof(bytes), deadline);
        if (!read.ok() || *read == 0) return;
        buffer.append(bytes, *read);
        continue;
      }
      const std::string whole = buffer.substr(0, *length);
      buffer.erase(0, *length);
      const auto message = ParseLdapMessage(whole);
      if (!message.ok()) return;
      if (message->operation == kLdapUnbindRequest) return;
      const std::string answer = answer_(*message);
      bool started = false;
      if (answer.empty() || !(*stream)->Write(answer, deadline, &started).ok()) return;
    }
  }

  const Answer answer_;
  std::unique_ptr<http::TcpListener> listener_;
  std::jthread thread_;
};

TEST(LdapHostileTest, WhatBreaksOffIsAnError) {
  using Server = ScriptedServer;
  struct Case {
    const char* name;
    Server::Answer answer;
    absl::StatusCode code;
    const char* text;
  };
  const Case cases[] = {
      {"closed in the middle",
       [](const LdapMessage& message) {
         // The second page never comes.
         static int calls = 0;
         return ++calls == 1
                    ? Server::Entry(message, "cn=a", "cn", {"a"}) + Server::Done(message, "c")
                    : std::string();
       },
       absl::StatusCode::kUnavailable, "closed the connection"},
      {"no paging", [](const LdapMessage& message) { return Server::Done(message, "", 0, false); },
       absl::StatusCode::kFailedPrecondition, "page by page"},
      {"paging refused", [](const LdapMessage& message) { return Server::Done(message, "", 12); },
       absl::StatusCode::kFailedPrecondition, "unavailable critical extension"},
      {"busy in the middle",
       [](const LdapMessage& message) {
         return Server::Entry(message, "cn=a", "cn", {"a"}) + Server::Done(message, "", 51);
       },
       absl::StatusCode::kUnavailable, "busy"},
      {"empty pages for ever",
       [](const LdapMessage& message) { return Server::Done(message, "c"); },
       absl::StatusCode::kAborted, "empty page"},
      {"not BER",
       [](const LdapMessage&) { return std::string("HTTP/1.1 400 Bad Request\r\n\r\n"); },
       absl::StatusCode::kInvalidArgument, "does not speak LDAP"},
      {"a huge message",
       [](const LdapMessage&) { return std::string("\x30\x84\x7f\xff\xff\xff", 6); },
       absl::StatusCode::kResourceExhausted, "kMaxLdapMessageBytes"},
      {"another operation",
       [](const LdapMessage& message) { return Server::Wrap(message, BerElement(0x6B, "")); },
       absl::StatusCode::kUnavailable, "not asked for"},
      {"a notice",
       [](const LdapMessage&) {
         LdapMessage notice;
         return Server::Wrap(
             notice, BerElement(kLdapExtendedResponse, BerNumber(kBerEnumerated, 52) +
                                                           BerElement(kBerOctets, "") +
                                                           BerElement(kBerOctets, "going down")));
       },
       absl::StatusCode::kUnavailable, "going down"},
      {"a range without its rest",
       [](const LdapMessage& message) {
         return Server::Entry(message, "cn=a", "member;range=0-1", {"x", "y"}) +
                Server::Done(message, "");
       },
       absl::StatusCode::kUnavailable, "rest of member"},
  };
  for (const Case& item : cases) {
    ScriptedServer server(item.answer);
    const Found found = Find(server.Options(), {"dc=x", LdapScope::kSubtree, "(cn=*)", {}});
    EXPECT_EQ(found.result.status().code(), item.code) << item.name << found.result.status();
    EXPECT_THAT(std::string(found.result.status().message()), HasSubstr(item.text)) << item.name;
  }
}

TEST(LdapHostileTest, BytesBeforeTheHandshakeAreNotTaken) {
  ScriptedServer server([](const LdapMessage& message) {
    const std::string result =
        BerNumber(kBerEnumerated, 0) + BerElement(kBerOctets, "") + BerElement(kBerOctets, "");
    return ScriptedServer::Wrap(message, BerElement(kLdapExtendedResponse, result)) +
           ScriptedServer::Wrap(message, BerElement(kLdapBindResponse, result));
  });
  LdapOptions options = server.Options();
  options.start_tls = true;
  const absl::Status status =
      Find(options, {"dc=x", LdapScope::kSubtree, "(cn=*)", {}}).result.status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("outside of TLS"));
}

TEST(LdapRangeTest, ValuesOfActiveDirectoryAreFetchedToTheLast) {
  ScriptedServer server([](const LdapMessage& message) {
    // The search's attributes name the range that is wanted.
    if (absl::StrContains(message.content, "range=2-*")) {
      return ScriptedServer::Entry(message, "cn=g", "member;range=2-3", {"c", "d"}) +
             ScriptedServer::Done(message, "", 0, false);
    }
    if (absl::StrContains(message.content, "range=4-*")) {
      return ScriptedServer::Entry(message, "cn=g", "member;range=4-*", {"e"}) +
             ScriptedServer::Done(message, "", 0, false);
    }
    return ScriptedServer::Entry(message, "cn=g", "member;range=0-1", {"a", "b"}) +
           ScriptedServer::Wrap(message, BerElement(kLdapSearchReference, "")) +
           ScriptedServer::Done(message, "");
  });
  const Found found = Find(server.Options(), {"dc=x", LdapScope::kSubtree, "(cn=*)", {"member"}});
  ASSERT_TRUE(found.result.ok()) << found.result.status();
  EXPECT_EQ(*found.result, 1);
  ASSERT_EQ(found.entries.size(), 1u);
  EXPECT_THAT(found.entries[0].All("member"), ElementsAre("a", "b", "c", "d", "e"));
}

}  // namespace
}  // namespace purser::connectors
