terraform {
  required_version = ">= 1.6"
  required_providers {
    ${{ values.provider }} = {
      source = "hashicorp/${{ values.provider }}"
    }
  }
}
