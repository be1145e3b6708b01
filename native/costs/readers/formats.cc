#include "costs/readers/formats.h"

namespace purser::costs {
namespace {

// FOCUS 1.0 to 1.4. Columns that bear another name in some version: 1.3 and 1.4 renamed the
// provider columns, the 1.0 preview (which OCI still delivers) had shorter names.
BillFormat Focus() {
  return {.name = "FOCUS",
          .marks = {},
          .columns = {
              {"ProviderName", {"ProviderName", "ServiceProviderName", "Provider"}},
              {"PublisherName", {"PublisherName", "HostProviderName", "Publisher"}},
              {"InvoiceIssuerName", {"InvoiceIssuerName", "InvoiceIssuer"}},
              {"RegionId", {"RegionId", "Region"}},
              {"ConsumedQuantity", {"ConsumedQuantity", "UsageQuantity"}},
              {"ConsumedUnit", {"ConsumedUnit", "UsageUnit"}},
          }};
}

// Line item types of the Cost and Usage Report. Everything that lowers the invoice is a credit;
// fees of commitments are purchases.
const ValueTable& AwsCategories() {
  static const auto& table = *new ValueTable{{{"Tax", "Tax"},
                                              {"Credit", "Credit"},
                                              {"Refund", "Credit"},
                                              {"BundledDiscount", "Credit"},
                                              {"EdpDiscount", "Credit"},
                                              {"SppDiscount", "Credit"},
                                              {"PrivateRateDiscount", "Credit"},
                                              {"Discount", "Credit"},
                                              {"Fee", "Purchase"},
                                              {"RIFee", "Purchase"},
                                              {"SavingsPlanUpfrontFee", "Purchase"},
                                              {"SavingsPlanRecurringFee", "Purchase"}},
                                             "Usage"};
  return table;
}

// Effective cost: what commitments cover costs its share of them; their fees count as far as
// nothing used them; what only takes covered usage back counts nothing.
BillFormat AwsCurLegacy() {
  return {.name = "AWS Cost and Usage Report",
          .marks = {"lineItem/LineItemType", "lineItem/UnblendedCost"},
          .columns =
              {
                  {"BilledCost", {"lineItem/UnblendedCost"}},
                  {"EffectiveCost", {"lineItem/UnblendedCost"}},
                  {"ListCost", {"pricing/publicOnDemandCost"}},
                  {"BillingCurrency", {"lineItem/CurrencyCode"}},
                  {"BillingPeriodStart", {"bill/BillingPeriodStartDate"}},
                  {"BillingPeriodEnd", {"bill/BillingPeriodEndDate"}},
                  {"ChargePeriodStart", {"lineItem/UsageStartDate"}},
                  {"ChargePeriodEnd", {"lineItem/UsageEndDate"}},
                  {"ChargeCategory", {"lineItem/LineItemType"}, &AwsCategories()},
                  {"ChargeDescription", {"lineItem/LineItemDescription"}},
                  {"ServiceName", {"product/ProductName", "lineItem/ProductCode"}},
                  {"ResourceId", {"lineItem/ResourceId"}},
                  {"SubAccountId", {"lineItem/UsageAccountId"}},
                  {"BillingAccountId", {"bill/PayerAccountId"}},
                  {"InvoiceId", {"bill/InvoiceId"}},
                  {"InvoiceIssuerName", {"bill/InvoicingEntity"}},
                  {"AvailabilityZone", {"lineItem/AvailabilityZone"}},
                  {"RegionId", {"product/regionCode", "product/region"}},
                  {"SkuId", {"product/sku"}},
                  {"ConsumedQuantity", {"lineItem/UsageAmount"}},
                  {"ConsumedUnit", {"pricing/unit"}},
                  {"ProviderName", {}, nullptr, "AWS"},
              },
          .effective_selector = "lineItem/LineItemType",
          .effective_choices =
              {
                  {"SavingsPlanCoveredUsage", "savingsPlan/SavingsPlanEffectiveCost"},
                  {"DiscountedUsage", "reservation/EffectiveCost"},
                  {"SavingsPlanRecurringFee",
                   "savingsPlan/TotalCommitmentToDate - savingsPlan/UsedCommitment"},
                  {"RIFee",
                   "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod + "
                   "reservation/UnusedRecurringFee"},
                  {"SavingsPlanNegation", ""},
                  {"SavingsPlanUpfrontFee", ""},
              },
          .tag_prefixes = {"resourceTags/user:", "resourceTags/"},
          .empty_amounts = true};
}

BillFormat AwsCur2() {
  return {.name = "AWS CUR 2.0",
          .marks = {"line_item_line_item_type", "line_item_unblended_cost"},
          .columns =
              {
                  {"BilledCost", {"line_item_unblended_cost"}},
                  {"EffectiveCost", {"line_item_unblended_cost"}},
                  {"ListCost", {"pricing_public_on_demand_cost"}},
                  {"BillingCurrency", {"line_item_currency_code"}},
                  {"BillingPeriodStart", {"bill_billing_period_start_date"}},
                  {"BillingPeriodEnd", {"bill_billing_period_end_date"}},
                  {"ChargePeriodStart", {"line_item_usage_start_date"}},
                  {"ChargePeriodEnd", {"line_item_usage_end_date"}},
                  {"ChargeCategory", {"line_item_line_item_type"}, &AwsCategories()},
                  {"ChargeDescription", {"line_item_line_item_description"}},
                  {"ServiceName", {"product_product_name", "line_item_product_code"}},
                  {"ResourceId", {"line_item_resource_id"}},
                  {"SubAccountId", {"line_item_usage_account_id"}},
                  {"SubAccountName", {"line_item_usage_account_name"}},
                  {"BillingAccountId", {"bill_payer_account_id"}},
                  {"BillingAccountName", {"bill_payer_account_name"}},
                  {"InvoiceId", {"bill_invoice_id"}},
                  {"InvoiceIssuerName", {"bill_invoicing_entity"}},
                  {"AvailabilityZone", {"line_item_availability_zone"}},
                  {"RegionId", {"product_region_code"}},
                  {"SkuId", {"product_sku"}},
                  {"ConsumedQuantity", {"line_item_usage_amount"}},
                  {"ConsumedUnit", {"pricing_unit"}},
                  {"Tags", {"resource_tags"}},
                  {"ProviderName", {}, nullptr, "AWS"},
              },
          .effective_selector = "line_item_line_item_type",
          .effective_choices =
              {
                  {"SavingsPlanCoveredUsage", "savings_plan_savings_plan_effective_cost"},
                  {"DiscountedUsage", "reservation_effective_cost"},
                  {"SavingsPlanRecurringFee",
                   "savings_plan_total_commitment_to_date - savings_plan_used_commitment"},
                  {"RIFee",
                   "reservation_unused_amortized_upfront_fee_for_billing_period + "
                   "reservation_unused_recurring_fee"},
                  {"SavingsPlanNegation", ""},
                  {"SavingsPlanUpfrontFee", ""},
              },
          // The legacy report as Parquet has these names, and a column for each tag.
          .tag_prefixes = {"resource_tags_user_", "resource_tags_"},
          .empty_amounts = true};
}

const ValueTable& AzureCategories() {
  static const auto& table = *new ValueTable{{{"Purchase", "Purchase"},
                                              {"Refund", "Credit"},
                                              {"Tax", "Tax"},
                                              {"Credit", "Credit"},
                                              {"RoundingAdjustment", "Adjustment"}},
                                             "Usage"};
  return table;
}

// Exports of actual or of amortised costs have the same columns; each is read as it is, so that its
// one cost is both the billed and the effective one.
BillFormat Azure() {
  const std::vector<absl::string_view> cost = {"CostInBillingCurrency", "PreTaxCost", "Cost"};
  return {.name = "Azure cost export",
          .marks = {"MeterCategory", "ConsumedService"},
          .columns =
              {
                  {"BilledCost", cost},
                  {"EffectiveCost", cost},
                  {"ListCost", {"PaygCostInBillingCurrency"}},
                  {"BillingCurrency", {"BillingCurrencyCode", "BillingCurrency", "Currency"}},
                  {"BillingPeriodStart",
                   {"BillingPeriodStartDate", "Date", "UsageDateTime"},
                   nullptr,
                   "",
                   true},
                  {"ChargePeriodStart", {"Date", "UsageDateTime"}},
                  {"ChargeCategory", {"ChargeType"}, &AzureCategories(), "Usage"},
                  {"ChargeDescription", {"ProductName", "Product"}},
                  {"ServiceName", {"MeterCategory"}},
                  {"ServiceSubcategory", {"MeterSubCategory"}},
                  {"ResourceId", {"ResourceId", "InstanceId", "InstanceName"}},
                  {"SubAccountId", {"SubscriptionId", "SubscriptionGuid"}},
                  {"SubAccountName", {"SubscriptionName"}},
                  {"InvoiceId", {"InvoiceId"}},
                  {"RegionId", {"ResourceLocation"}},
                  {"SkuId", {"MeterId"}},
                  {"ConsumedQuantity", {"Quantity", "UsageQuantity"}},
                  {"ConsumedUnit", {"UnitOfMeasure"}},
                  {"ProviderName", {}, nullptr, "Microsoft"},
              },
          .dates = DateOrder::kMonthFirst};
}

BillFormat Oci() {
  return {.name = "OCI cost report",
          .marks = {"lineItem/intervalUsageStart", "cost/myCost"},
          .columns =
              {
                  {"BilledCost", {"cost/myCost"}},
                  {"EffectiveCost", {"cost/myCost"}},
                  {"BillingCurrency", {"cost/currencyCode"}},
                  {"BillingPeriodStart", {"lineItem/intervalUsageStart"}, nullptr, "", true},
                  {"ChargePeriodStart", {"lineItem/intervalUsageStart"}},
                  {"ChargePeriodEnd", {"lineItem/intervalUsageEnd"}},
                  {"ChargeCategory", {}, nullptr, "Usage"},
                  {"ChargeClass",
                   {"lineItem/isCorrection"},
                   new ValueTable{{{"true", "Correction"}, {"false", ""}}, ""}},
                  {"ChargeDescription", {"product/Description"}},
                  {"ServiceName", {"product/service"}},
                  {"ResourceId", {"product/resourceId"}},
                  {"SubAccountId", {"product/compartmentId"}},
                  {"SubAccountName", {"product/compartmentName"}},
                  {"BillingAccountId", {"lineItem/tenantId"}},
                  {"RegionId", {"product/region"}},
                  {"AvailabilityZone", {"product/availabilityDomain"}},
                  {"SkuId", {"cost/productSku"}},
                  {"ConsumedQuantity", {"usage/billedQuantity"}},
                  {"ConsumedUnit", {"cost/billingUnitReadable"}},
                  {"ProviderName", {}, nullptr, "Oracle"},
              },
          .tag_prefixes = {"tags/"},
          .empty_amounts = true};
}

// BigQuery's standard or detailed export as JSON lines, its records flattened by the reader.
BillFormat Gcp() {
  return {
      .name = "Google Cloud billing export",
      .marks = {"usage_start_time", "service.description", "invoice.month"},
      .columns =
          {
              {"BilledCost", {"cost + credits.amount"}},
              {"EffectiveCost", {"cost + credits.amount"}},
              {"ListCost", {"cost_at_list"}},
              {"BillingCurrency", {"currency"}},
              {"BillingPeriodStart", {"invoice.month"}},
              {"ChargePeriodStart", {"usage_start_time"}},
              {"ChargePeriodEnd", {"usage_end_time"}},
              {"ChargeCategory",
               {"cost_type"},
               new ValueTable{
                   {{"tax", "Tax"}, {"adjustment", "Adjustment"}, {"rounding_error", "Adjustment"}},
                   "Usage"}},
              {"ServiceName", {"service.description"}},
              {"ResourceId", {"resource.global_name"}},
              {"ResourceName", {"resource.name"}},
              {"SubAccountId", {"project.id"}},
              {"SubAccountName", {"project.name"}},
              {"BillingAccountId", {"billing_account_id"}},
              {"RegionId", {"location.region"}},
              {"AvailabilityZone", {"location.zone"}},
              {"SkuId", {"sku.id"}},
              {"ChargeDescription", {"sku.description"}},
              {"ConsumedQuantity", {"usage.amount"}},
              {"ConsumedUnit", {"usage.unit"}},
              {"Tags", {"labels"}},
              {"ProviderName", {}, nullptr, "Google Cloud"},
          },
      .dates = DateOrder::kMonths,
      .empty_amounts = true};
}

// Allocations of OpenCost and Kubecost, flattened by the reader.
BillFormat OpenCost() {
  const std::vector<absl::string_view> cost = {
      "cpuCost + gpuCost + ramCost + pvCost + networkCost + loadBalancerCost + sharedCost + "
      "externalCost + cpuCostAdjustment + gpuCostAdjustment + ramCostAdjustment + "
      "pvCostAdjustment + networkCostAdjustment + loadBalancerCostAdjustment"};
  return {.name = "OpenCost allocation",
          .marks = {"cpuCost", "ramCost", "window.start"},
          .columns =
              {
                  {"BilledCost", cost},
                  {"EffectiveCost", cost},
                  {"BillingCurrency", {"currency"}, nullptr, "USD"},
                  {"BillingPeriodStart", {"window.start"}, nullptr, "", true},
                  {"ChargePeriodStart", {"window.start"}},
                  {"ChargePeriodEnd", {"window.end"}},
                  {"ChargeCategory", {}, nullptr, "Usage"},
                  {"ServiceName", {}, nullptr, "Kubernetes"},
                  {"ResourceId", {"properties.providerID"}},
                  {"ResourceName", {"name"}},
                  {"SubAccountId", {"properties.cluster"}},
                  {"Tags", {"properties.labels"}},
                  {"ProviderName", {}, nullptr, "Kubernetes"},
                  {"x_KubernetesNamespace", {"properties.namespace"}},
              },
          .empty_amounts = true};
}

}  // namespace

const std::vector<BillFormat>& BillFormats() {
  static const auto& formats = *new std::vector<BillFormat>{
      AwsCurLegacy(), AwsCur2(), Azure(), Oci(), Gcp(), OpenCost(), Focus()};
  return formats;
}

}  // namespace purser::costs
