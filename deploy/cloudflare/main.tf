# Cloudflare in front of the gateway. docs/cloudflare.md says how to use it, and how to see that nobody gets
# around it.

locals {
  is_tunnel  = endswith(var.origin, ".cfargotunnel.com")
  is_address = can(cidrhost("${var.origin}/32", 0))
  here       = "http.host eq \"${var.hostname}\""
}

resource "cloudflare_dns_record" "application" {
  zone_id = var.zone_id
  name    = var.hostname
  type    = strcontains(var.origin, ":") ? "AAAA" : local.is_address ? "A" : "CNAME"
  content = var.origin
  proxied = true
  ttl     = 1
}

resource "cloudflare_zone_setting" "this" {
  for_each = {
    websockets       = "on"
    min_tls_version  = "1.2"
    tls_1_3          = "on"
    always_use_https = "on"
    # the origin's certificate is checked
    ssl = "strict"
    # early data can be replayed
    "0rtt" = "off"
  }
  zone_id    = var.zone_id
  setting_id = each.key
  value      = each.value
}

# Authenticated Origin Pulls with a certificate of our own: the one that Cloudflare shows by default it shows for
# every customer, and any of them could point a zone at this origin.
resource "cloudflare_authenticated_origin_pulls_certificate" "this" {
  count       = local.is_tunnel ? 0 : 1
  zone_id     = var.zone_id
  certificate = var.origin_pull_certificate
  private_key = var.origin_pull_key

  lifecycle {
    precondition {
      condition     = var.origin_pull_certificate != "" && var.origin_pull_key != ""
      error_message = "Without a tunnel, give origin_pull_certificate and origin_pull_key."
    }
  }
}

resource "cloudflare_authenticated_origin_pulls_settings" "this" {
  count      = local.is_tunnel ? 0 : 1
  zone_id    = var.zone_id
  enabled    = true
  depends_on = [cloudflare_authenticated_origin_pulls_certificate.this]
}

resource "cloudflare_ruleset" "firewall" {
  zone_id = var.zone_id
  name    = "citadel: what is no request of the application's"
  kind    = "zone"
  phase   = "http_request_firewall_custom"
  rules = [
    {
      ref         = "paths"
      description = "Paths that the gateway does not have"
      expression  = "${local.here} and (http.request.uri.path contains \"..\" or http.request.uri.path contains \"//\" or lower(raw.http.request.uri.path) contains \"%2e\" or lower(raw.http.request.uri.path) contains \"%2f\" or http.request.uri.path contains \"/~node\")"
      action      = "block"
    },
    {
      ref         = "methods"
      description = "Methods that the gateway does not know"
      expression  = "${local.here} and not http.request.method in {\"GET\" \"HEAD\" \"POST\" \"PUT\" \"PATCH\" \"DELETE\" \"OPTIONS\"}"
      action      = "block"
    },
  ]
}

# Coarser than the gateway's own limits, which know the user: this keeps a flood from getting there at all.
resource "cloudflare_ruleset" "rate_limits" {
  zone_id = var.zone_id
  name    = "citadel: floods"
  kind    = "zone"
  phase   = "http_ratelimit"
  rules = [
    {
      ref         = "sign_in"
      description = "Registering and signing in"
      expression  = "${local.here} and http.request.method eq \"POST\" and starts_with(http.request.uri.path, \"/api/auth/\")"
      action      = "block"
      ratelimit = {
        characteristics     = ["cf.colo.id", "ip.src"]
        period              = 10
        requests_per_period = 50
        mitigation_timeout  = 10
      }
    },
  ]
}

resource "cloudflare_ruleset" "cache" {
  zone_id = var.zone_id
  name    = "citadel: nothing of the application is kept"
  kind    = "zone"
  phase   = "http_request_cache_settings"
  rules = [
    {
      ref               = "bypass"
      description       = "Answers are for who asked"
      expression        = "${local.here} and (starts_with(http.request.uri.path, \"/api\") or starts_with(http.request.uri.path, \"/graphql\") or starts_with(http.request.uri.path, \"/socket.io\"))"
      action            = "set_cache_settings"
      action_parameters = { cache = false }
    },
  ]
}
