run Rack::Files.new("@root@")
