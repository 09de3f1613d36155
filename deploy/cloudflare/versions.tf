terraform {
  required_version = ">= 1.9"
  required_providers {
    cloudflare = {
      source  = "cloudflare/cloudflare"
      version = "~> 5.8"
    }
  }
}

# The API token comes from the environment: CLOUDFLARE_API_TOKEN. It needs, for this one zone: DNS, Zone
# Settings, SSL and Certificates, Zone WAF and Cache Rules, each to edit.
provider "cloudflare" {}
