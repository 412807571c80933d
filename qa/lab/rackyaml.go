package lab

import (
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

// rackYAML is the rack file that the controller is installed with.
func (c *Config) rackYAML(publicKey string) (string, error) {
	text := c.plainYAML(publicKey)
	if len(c.Fields) == 0 {
		return text, nil
	}
	var all map[string]any
	if err := yaml.Load([]byte(text), &all); err != nil {
		return "", fmt.Errorf("%s: %w", rackFile, err)
	}
	maps.Copy(all, c.Fields)
	out, err := yaml.Dump(all)
	if err != nil {
		return "", fmt.Errorf("%s: %w", rackFile, err)
	}
	return "# The virtual rack.\n" + string(out), nil
}

// plainYAML is that of a rack whose machines are alike.
func (c *Config) plainYAML(publicKey string) string {
	first := c.Machines[0]
	return fmt.Sprintf(`# The virtual rack.
name: rack
management:
  network: %s
  controller: %s
  nic: %q
tenant:
  vlan_from: %d
  vlan_to: %d
external:
  nic: %q
  dhcp: true
ssh_keys:
  - %s
api_names: ["127.0.0.1", localhost]
approve: auto
rules:
  - name: controller
    match: {local: true}
    roles: [controller]
    host: controller
  - name: compute
    match: {local: false}
    roles: [compute]
    host: compute%%d
`, managementNetwork, controllerAddress, first.macIn(shape.Management), tenantFrom, tenantTo, first.macIn(shape.External), strings.TrimSpace(publicKey))
}
