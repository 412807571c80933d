# Cairn's commands. `make help` lists them; README.md says what they print.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

OUT           := out
export CGO_ENABLED := 0
GO            := go
GO_VERSION    := 1.26.8
GOLANGCI      := v2.15.0
VERSITYGW     := v1.8.0
TOOLS         := $(CURDIR)/$(OUT)/tools
VERSION       := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS       := -s -w

# What runs go by itself, tests and the image's build, finds ours too.
export PATH := $(TOOLS)/go/bin:$(PATH)

# What building and testing need, from Debian; a line per purpose.
DEPS := \
  ca-certificates git make kmod zstd xz-utils \
  mmdebstrap debian-archive-keyring erofs-utils cryptsetup-bin \
  libfaketime grub-common grub-pc-bin grub-efi-amd64-bin dosfstools mtools xorriso \
  qemu-system-x86 qemu-utils ovmf ipxe ipxe-qemu swtpm \
  mariadb-server mariadb-client rabbitmq-server slapd \
  libvirt-daemon libvirt-daemon-driver-lxc libvirt-clients \
  nftables iproute2 iputils-ping openssh-client openssh-server tcpdump \
  gdisk xfsprogs btrfs-progs dnsmasq-base \
  python3-openstackclient \
  chromium

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what building and testing need (Debian, as root)
	@missing=$$(for p in $(DEPS); do [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing:" $$missing; \
	  apt-get update -qq; \
	  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.cairn; chmod 0755 /usr/sbin/policy-rc.d.cairn; \
	  [ -e /usr/sbin/policy-rc.d ] || mv /usr/sbin/policy-rc.d.cairn /usr/sbin/policy-rc.d; \
	  rc=0; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $$missing || rc=$$?; \
	  if [ -e /usr/sbin/policy-rc.d.cairn ]; then rm /usr/sbin/policy-rc.d.cairn; else rm -f /usr/sbin/policy-rc.d; fi; \
	  exit $$rc; \
	fi
	@command -v $(GO) >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go
	@$(GO) list -m >/dev/null 2>&1 || { \
	  echo "fetching go $(GO_VERSION): $$($(GO) version) is too old"; \
	  toolchain=golang.org/toolchain@v0.0.1-go$(GO_VERSION).linux-amd64; \
	  (cd / && $(GO) mod download $$toolchain); \
	  rm -rf $(TOOLS)/go; mkdir -p $(TOOLS); \
	  cp -r --no-preserve=mode "$$(cd / && $(GO) env GOMODCACHE)/$$toolchain" $(TOOLS)/go; \
	  chmod 0755 $(TOOLS)/go/bin/* $(TOOLS)/go/pkg/tool/linux_amd64/*; \
	  hash -r; $(GO) list -m >/dev/null; }
	@[ -x $(TOOLS)/golangci-lint-$(GOLANGCI) ] || { \
	  echo "building golangci-lint $(GOLANGCI)"; \
	  GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI); \
	  mv $(TOOLS)/golangci-lint $(TOOLS)/golangci-lint-$(GOLANGCI); }
	@[ -x $(TOOLS)/versitygw-$(VERSITYGW) ] || { \
	  echo "building versitygw $(VERSITYGW), the S3 server of tests"; \
	  GOBIN=$(TOOLS) $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW); \
	  mv $(TOOLS)/versitygw $(TOOLS)/versitygw-$(VERSITYGW); }
	@$(GO) mod download

.PHONY: build
build: ## the two binaries, out/cairn (shipped) and out/cairn-build (build host)
	@mkdir -p $(OUT)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(OUT)/ ./cmd/...

.PHONY: image
image: build ## the signed system image, out/release
	$(OUT)/cairn-build image --out $(OUT)

.PHONY: guest
guest: image ## the tiny guest images, out/guest
	$(OUT)/cairn-build guest --out $(OUT)

.PHONY: iso
iso: image ## the bootable ISO, out/cairn.iso
	$(OUT)/cairn-build iso --out $(OUT)

.PHONY: rack
rack: iso guest ## the main job: a virtual rack from power-off to running servers; leaves it up
	$(OUT)/cairn rack up --dir $(OUT)/rack

.PHONY: rack-down
rack-down: build ## end the virtual rack
	$(OUT)/cairn rack down --dir $(OUT)/rack

.PHONY: cloud
cloud: build ## the controller on this host with simulated nodes, in seconds
	$(OUT)/cairn-build cloud up --dir $(OUT)/cloud

.PHONY: cloud-down
cloud-down: build ## end it; its data stays in out/cloud
	$(OUT)/cairn-build cloud down --dir $(OUT)/cloud

.PHONY: check
check: ## format, vet and lint
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofmt-ed:" $$unformatted >&2; exit 1; }
	$(GO) vet ./...
	$(TOOLS)/golangci-lint-$(GOLANGCI) run --timeout 20m ./...

.PHONY: test
test: ## all tests but the long ones
	$(GO) test -timeout 25m ./...

FUZZTIME ?= 1m

.PHONY: fuzz
fuzz: ## every fuzz target, each for FUZZTIME (1m)
	@git grep -E '^func Fuzz' -- '*_test.go' | sed -E 's,^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*,\1 \2,' | while read -r dir name; do \
	  echo "$$dir $$name"; \
	  $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "./$$dir" </dev/null; \
	done

.PHONY: bench
bench: ## the figures that README.md quotes
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...

.PHONY: clean
clean: ## remove what was built; the download cache and the release key stay
	@for d in $(OUT)/*; do case $$d in $(OUT)/cache|$(OUT)/keys|$(OUT)/tools) ;; *) rm -rf "$$d" ;; esac; done
