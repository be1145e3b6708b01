variable "name" {
  type = string
  # In this file ${{ values.name }} is left alone: its name does not end in .tpl.
}

variable "environment" {
  type = string
}
