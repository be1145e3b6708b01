{% if values.provider == "aws" %}
resource "aws_sqs_queue" "this" {
  name = "${var.name}-${var.environment}"
  tags = local.tags
}
{% else %}
resource "google_pubsub_topic" "this" {
  name   = "${var.name}-${var.environment}"
  labels = local.tags
}
{% endif %}

locals {
  tags = {
    {% for key, value in values.tags | dictsort %}
    "${{ key }}" = ${{ value | dump }}
    {% endfor %}
  }
}
