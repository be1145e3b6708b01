// Writes a made-up month of a cloud's bill as FOCUS CSV, the same for the same arguments:
//
//   costs_generate ROWS FILES FOLDER [gz]
//
// FOLDER/part-N.csv with the 60 columns of AWS's FOCUS 1.2 export. 200 accounts, 40 services, 5,000
// resources, some 4,000 different Tags, half of the amounts in E notation; rows in the order of
// hours, as exports have them, resources at random. Ten million rows are the 720 hours of the
// month, fewer its beginning. With `gz`, FOLDER/part-N.csv.gz.
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

// SplitMix64: small, fast, the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t limit) { return Next() % limit; }

 private:
  uint64_t state_;
};

constexpr int kAccounts = 200;
constexpr int kServices = 40;
constexpr int kResources = 5'000;
constexpr int kTeams = 60;
constexpr int kApps = 150;
constexpr int kHours = 720;
// Of ten million in the month; fewer rows are the month's beginning.
constexpr double kRowsPerHour = 10'000'000.0 / kHours;

const char* const kColumns[] = {"AvailabilityZone",
                                "BilledCost",
                                "BillingAccountId",
                                "BillingAccountName",
                                "BillingAccountType",
                                "BillingCurrency",
                                "BillingPeriodEnd",
                                "BillingPeriodStart",
                                "CapacityReservationId",
                                "CapacityReservationStatus",
                                "ChargeCategory",
                                "ChargeClass",
                                "ChargeDescription",
                                "ChargeFrequency",
                                "ChargePeriodEnd",
                                "ChargePeriodStart",
                                "CommitmentDiscountCategory",
                                "CommitmentDiscountId",
                                "CommitmentDiscountName",
                                "CommitmentDiscountQuantity",
                                "CommitmentDiscountStatus",
                                "CommitmentDiscountType",
                                "CommitmentDiscountUnit",
                                "ConsumedQuantity",
                                "ConsumedUnit",
                                "ContractedCost",
                                "ContractedUnitPrice",
                                "EffectiveCost",
                                "InvoiceId",
                                "InvoiceIssuerName",
                                "ListCost",
                                "ListUnitPrice",
                                "PricingCategory",
                                "PricingCurrency",
                                "PricingCurrencyContractedUnitPrice",
                                "PricingCurrencyEffectiveCost",
                                "PricingCurrencyListUnitPrice",
                                "PricingQuantity",
                                "PricingUnit",
                                "ProviderName",
                                "PublisherName",
                                "RegionId",
                                "RegionName",
                                "ResourceId",
                                "ResourceName",
                                "ResourceType",
                                "ServiceCategory",
                                "ServiceName",
                                "ServiceSubcategory",
                                "SkuId",
                                "SkuMeter",
                                "SkuPriceDetails",
                                "SkuPriceId",
                                "SubAccountId",
                                "SubAccountName",
                                "SubAccountType",
                                "Tags",
                                "x_Discounts",
                                "x_Operation",
                                "x_ServiceCode"};

// What belongs to a resource and never changes.
struct Resource {
  std::string zone, account, account_name, description, unit, region, region_name, id, name, type,
      service_category, service, subcategory, sku, meter, details, price_id, tags, operation, code;
  uint64_t price;  // in units of 10^-9
};

std::vector<Resource> Resources(Random& random) {
  const char* const regions[][2] = {
      {"us-east-1", "US East (N. Virginia)"},      {"us-west-2", "US West (Oregon)"},
      {"eu-west-1", "Europe (Ireland)"},           {"eu-central-1", "Europe (Frankfurt)"},
      {"ap-southeast-2", "Asia Pacific (Sydney)"}, {"sa-east-1", "South America (Sao Paulo)"}};
  const char* const categories[] = {"Compute", "Storage", "Databases", "Networking", "Analytics"};
  const char* const environments[] = {"prod", "staging", "dev", "test"};
  const char* const costs[] = {"cc-1001", "cc-2040", "cc-3377", "cc-4711"};
  std::vector<Resource> all;
  char text[512];
  for (int i = 0; i < kResources; ++i) {
    Resource resource;
    const int service = static_cast<int>(random.Below(kServices));
    const int account = static_cast<int>(random.Below(kAccounts));
    const auto& region = regions[random.Below(6)];
    resource.region = region[0];
    resource.region_name = region[1];
    resource.zone = resource.region + "abc"[random.Below(3)];
    std::snprintf(text, sizeof text, "%012llu", 100000000000ull + 7919ull * account);
    resource.account = text;
    std::snprintf(text, sizeof text, "workload-%03d", account);
    resource.account_name = text;
    std::snprintf(text, sizeof text, "Amazon Example Service %02d", service);
    resource.service = text;
    std::snprintf(text, sizeof text, "AmazonExample%02d", service);
    resource.code = text;
    resource.service_category = categories[service % 5];
    resource.subcategory = resource.service_category + " (Other)";
    std::snprintf(text, sizeof text, "\"$0.%04llu per unit-hour of class %d, size %llu in %s\"",
                  static_cast<unsigned long long>(random.Below(10000)), service,
                  static_cast<unsigned long long>(random.Below(16)), region[1]);
    resource.description = text;
    resource.unit = service % 3 == 0 ? "Hours" : service % 3 == 1 ? "GB-Months" : "Requests";
    std::snprintf(text, sizeof text, "arn:aws:example%02d:%s:%s:instance/i-%016llx", service,
                  region[0], resource.account.c_str(),
                  static_cast<unsigned long long>(random.Next()));
    resource.id = text;
    std::snprintf(text, sizeof text, "node-%05d", i);
    resource.name = text;
    std::snprintf(text, sizeof text, "Example::Type%02d", service);
    resource.type = text;
    std::snprintf(text, sizeof text, "SKU%013llX",
                  static_cast<unsigned long long>(random.Next() >> 16));
    resource.sku = text;
    resource.price_id = resource.sku + ".JRTCKXETXF.6YS6EN2CT7";
    std::snprintf(text, sizeof text, "BoxUsage:c%d.%dxlarge", service % 7, 1 << random.Below(5));
    resource.meter = text;
    std::snprintf(text, sizeof text,
                  "\"{\"\"CoreCount\"\":%d,\"\"OperatingSystem\"\":\"\"Linux\"\"}\"",
                  1 << random.Below(6));
    resource.details = text;
    resource.operation = "RunInstances:000" + std::to_string(random.Below(10));
    const int team = static_cast<int>(random.Below(kTeams));
    const int app = static_cast<int>(random.Below(kApps));
    // A fifth has no tags, some lack the app.
    if (random.Below(5) == 0) {
      resource.tags = "{}";
    } else {
      std::snprintf(
          text, sizeof text,
          "\"{\"\"team\"\":\"\"team-%02d\"\"%s,\"\"env\"\":\"\"%s\"\",\"\"cost-center\"\":"
          "\"\"%s\"\",\"\"owner\"\":\"\"owner-%04d@example.com\"\"}\"",
          team,
          random.Below(10) == 0 ? ""
                                : (",\"\"app\"\":\"\"app-" + std::to_string(app) + "\"\"").c_str(),
          environments[random.Below(4)], costs[random.Below(4)], i % 4000);
      resource.tags = text;
    }
    resource.price = 1 + random.Below(900'000'000);
    all.push_back(std::move(resource));
  }
  return all;
}

// `units` of 10^-12 as an amount; half of them in E notation.
void AppendAmount(std::string& row, uint64_t units, bool scientific) {
  char text[48];
  if (scientific && units != 0) {
    char digits[32];
    int size = std::snprintf(digits, sizeof digits, "%llu", static_cast<unsigned long long>(units));
    const int exponent = size - 13;
    while (size > 1 && digits[size - 1] == '0') --size;
    if (size == 1) {
      std::snprintf(text, sizeof text, "%c.0E%d", digits[0], exponent);
    } else {
      std::snprintf(text, sizeof text, "%c.%.*sE%d", digits[0], size - 1, digits + 1, exponent);
    }
  } else {
    int size = std::snprintf(text, sizeof text, "%llu.%012llu",
                             static_cast<unsigned long long>(units / 1'000'000'000'000u),
                             static_cast<unsigned long long>(units % 1'000'000'000'000u));
    while (text[size - 1] == '0' && text[size - 2] != '.') text[--size] = '\0';
  }
  row += text;
}

void AppendRow(std::string& row, const Resource& r, int hour, Random& random) {
  const char* const categories[] = {"Usage", "Usage", "Usage", "Usage",  "Usage",
                                    "Usage", "Usage", "Tax",   "Credit", "Purchase"};
  const char* const category = categories[random.Below(10)];
  const uint64_t quantity = 1 + random.Below(10'000);  // thousandths
  const uint64_t list = r.price * quantity;            // 10^-12
  const uint64_t effective = list - list / 10 * random.Below(4);
  const uint64_t billed = random.Below(8) == 0 ? 0 : effective;
  const bool scientific = random.Below(2) == 0;
  const bool credit = std::strcmp(category, "Credit") == 0;
  char start[48], end[48];
  std::snprintf(start, sizeof start, "2026-09-%02dT%02d:00:00.000Z", 1 + hour / 24, hour % 24);
  if (hour + 1 < kHours) {
    std::snprintf(end, sizeof end, "2026-09-%02dT%02d:00:00.000Z", 1 + (hour + 1) / 24,
                  (hour + 1) % 24);
  } else {
    std::snprintf(end, sizeof end, "2026-10-01T00:00:00.000Z");
  }
  const auto text = [&](const std::string& value) { (row += value) += ','; };
  const auto amount = [&](uint64_t units) {
    if (credit && units != 0) row += '-';
    AppendAmount(row, units, scientific);
    row += ',';
  };
  text(r.zone);
  amount(billed);
  text("123456789012,Example Payer,,USD,2026-10-01T00:00:00.000Z,2026-09-01T00:00:00.000Z,,");
  text(category);
  row += ',';
  text(r.description);
  row += "Usage-Based,";
  text(end);
  text(start);
  row += ",,,,,,,";
  AppendAmount(row, quantity * 1'000'000'000u, false);
  row += ',';
  text(r.unit);
  amount(effective);
  AppendAmount(row, r.price * 1000, false);
  row += ',';
  amount(effective);
  row += "EUINEX26-1234567,\"Amazon Web Services, Inc.\",";
  amount(list);
  AppendAmount(row, r.price * 1000, false);
  row += ",Standard,USD,";
  AppendAmount(row, r.price * 1000, false);
  row += ',';
  amount(effective);
  AppendAmount(row, r.price * 1000, false);
  row += ',';
  AppendAmount(row, quantity * 1'000'000'000u, false);
  row += ',';
  text(r.unit);
  row += "AWS,\"Amazon Web Services, Inc.\",";
  text(r.region);
  text(r.region_name);
  text(r.id);
  text(r.name);
  text(r.type);
  text(r.service_category);
  text(r.service);
  text(r.subcategory);
  text(r.sku);
  text(r.meter);
  text(r.details);
  text(r.price_id);
  text(r.account);
  text(r.account_name);
  row += ',';
  text(r.tags);
  row += "{},";
  text(r.operation);
  row += r.code;
  row += '\n';
}

// A file, packed or not.
class Output {
 public:
  Output(const std::string& path, bool packed) {
    if (packed) {
      packed_ = gzopen(path.c_str(), "wb6");
    } else {
      plain_ = std::fopen(path.c_str(), "wb");
    }
  }
  bool open() const { return packed_ != nullptr || plain_ != nullptr; }
  bool Write(const std::string& text) {
    if (packed_ != nullptr) {
      return gzwrite(packed_, text.data(), static_cast<unsigned>(text.size())) ==
             static_cast<int>(text.size());
    }
    return std::fwrite(text.data(), 1, text.size(), plain_) == text.size();
  }
  bool Close() { return packed_ != nullptr ? gzclose(packed_) == Z_OK : std::fclose(plain_) == 0; }

 private:
  gzFile packed_ = nullptr;
  FILE* plain_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  const long rows = argc > 2 ? std::atol(argv[1]) : 0;
  const int files = argc > 2 ? std::atoi(argv[2]) : 0;
  if (argc < 4 || argc > 5 || rows < 1 || files < 1) {
    std::fprintf(stderr, "usage: costs_generate ROWS FILES FOLDER [gz]\n");
    return 2;
  }
  const bool packed = argc == 5;
  Random random(20'260'901);
  const std::vector<Resource> resources = Resources(random);
  for (int file = 0; file < files; ++file) {
    const std::string path =
        std::string(argv[3]) + "/part-" + std::to_string(file) + (packed ? ".csv.gz" : ".csv");
    Output output(path, packed);
    if (!output.open()) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 1;
    }
    std::string text;
    for (const char* column : kColumns) (text += column) += ',';
    text.back() = '\n';
    const long first = rows * file / files, last = rows * (file + 1) / files;
    Random each(static_cast<uint64_t>(file) + 1);
    for (long row = first; row < last; ++row) {
      const int hour =
          std::min(kHours - 1, static_cast<int>(static_cast<double>(row) / kRowsPerHour));
      AppendRow(text, resources[each.Below(kResources)], hour, each);
      if (text.size() > (1u << 20) || row + 1 == last) {
        if (!output.Write(text)) {
          std::fprintf(stderr, "cannot write %s\n", path.c_str());
          return 1;
        }
        text.clear();
      }
    }
    if (!output.Close()) return 1;
  }
  return 0;
}
