// Package httpboot is what a deployer serves over HTTP.
//
// In the clear, for boot loaders: each machine's script and the files of the
// release, which are signed. Over TLS: the installer's API, by boot ticket, and
// the operator's, by client certificate:
//
//	GET  /boot/script                  what this machine boots (iPXE)
//	GET  /boot/{loader}                for UEFI HTTP boot
//	GET  /image/{file}                 files of the release, with ranges
//
//	POST /v1/machines/{id}/inventory, /progress, /have, /enrol; GET /v1/machines/{id}/plan   (see installer/plan)
//	GET  /v1/machines                  {"machines": [fleet.Machine]}
//	GET  /v1/machines/{id}             fleet.Machine
//	POST /v1/machines/{id}/approve     fleet.Machine
//	POST /v1/machines/{id}/reinstall   fleet.Machine
//
// Errors are {"error": "..."}. It imports fleet and menu of pxe, installer/plan
// and image-builder/manifest.
package httpboot
