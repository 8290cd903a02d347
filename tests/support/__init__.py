"""What several tests need: servers, clients and checks, none of them fakes of our own parts."""
