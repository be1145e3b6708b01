package main

import (
	"log"
	"net/http"
)

{% macro camel(text) %}{% for word in text.split(" ") %}${{ word | capitalize }}{% endfor %}{% endmacro -%}
{% macro handler(name, verb="List") %}
// ${{ caller() if caller }}${{ verb }}${{ camel(name) }} answers requests for ${{ name }}.
func ${{ verb | lower }}${{ camel(name) }}(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}
{% endmacro -%}
{% for resource in values.resources %}${{ handler(resource) }}${{ handler(resource, verb="Get") }}{% endfor %}
func main() {
{%- for resource in values.resources %}
	http.HandleFunc("/${{ resource | replace(" ", "-") }}s", list${{ camel(resource) }})
{%- endfor %}
	log.Fatal(http.ListenAndServe(":8080", nil))
}
