package network

import (
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// The faults that Neutron's clients know by their exception class.

func networkNotFound(id string) error {
	return cloud.NotFound("Network %s could not be found.", id).Named("NetworkNotFound")
}

func portNotFound(id string) error {
	return cloud.NotFound("Port %s could not be found.", id).Named("PortNotFound")
}

func groupNotFound(id string) error {
	return cloud.NotFound("Security group %s does not exist", id).Named("SecurityGroupNotFound")
}

func invalidInput(format string, args ...any) error {
	return cloud.BadRequest("Invalid input for operation: "+format, args...).Named("InvalidInput")
}

func addressInUseOnSubnet(address, subnet string) error {
	return cloud.Conflict("IP address %s already allocated in subnet %s", address, subnet).Named("IpAddressAlreadyAllocated")
}

func noMoreAddresses(network string) error {
	return cloud.Conflict("No more IP addresses available on network %s.", network).Named("IpAddressGenerationFailure")
}

func badRequest(class, format string, args ...any) error {
	return cloud.BadRequest(format, args...).Named(class)
}

func conflict(class, format string, args ...any) error {
	return cloud.Conflict(format, args...).Named(class)
}
