variable "zone_id" {
  description = "The zone, from its overview page."
  type        = string
}

variable "hostname" {
  description = "Where clients find the application: api.example.com."
  type        = string
}

variable "origin" {
  description = "The address of the machine with nginx; of a tunnel, <its id>.cfargotunnel.com."
  type        = string
}

variable "origin_pull_certificate" {
  description = "The client certificate that Cloudflare shows to nginx, in PEM; of a tunnel, leave it empty."
  type        = string
  default     = ""
}

variable "origin_pull_key" {
  description = "Its key, in PEM: TF_VAR_origin_pull_key. It gets into the state, so keep that where secrets are kept."
  type        = string
  default     = ""
  sensitive   = true
}
