package cloud

// Address is Config.address, for tests.
func Address(c Config, service, region string) (string, error) { return c.address(service, region) }
