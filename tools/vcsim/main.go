// Command vcsim serves a simulated vCenter to tests: govmomi's simulator, mended where it differs from the
// vSphere API reference, with switches for faults.
//
// The first line of standard input says what to serve (type settings). The first line of standard output says where it
// is (type served). Each further line of input is an order (type order), which is answered by one line. The end of
// input, SIGTERM or SIGINT ends the server and removes its directory.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/vmware/govmomi/simulator"
)

// settings is what the first line of standard input holds.
type settings struct {
	Directory   string    `json:"directory"`   // for datastores and the log; removed in the end
	Certificate string    `json:"certificate"` // PEM file with the server's certificate
	Key         string    `json:"key"`         // PEM file with its key
	User        string    `json:"user"`
	Password    string    `json:"password"`
	Inventory   inventory `json:"inventory"`
}

// served is what the first line of standard output holds.
type served struct {
	URL string `json:"url"`
}

func main() {
	input := bufio.NewReader(os.Stdin)
	var chosen settings
	if err := readLine(input, &chosen); err != nil {
		log.Fatalf("vcsim: the first line of standard input: %s", err)
	}
	os.Setenv("TMPDIR", chosen.Directory) // where the simulator keeps its datastores' files
	logFile, err := os.Create(filepath.Join(chosen.Directory, "vcsim.log"))
	if err != nil {
		log.Fatalf("vcsim: %s", err)
	}
	log.SetOutput(logFile)

	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
		<-signals
		end(chosen.Directory, 0)
	}()
	gate, server, err := start(&chosen)
	if err != nil {
		fmt.Fprintf(os.Stderr, "vcsim: %s\n", err)
		end(chosen.Directory, 1)
	}
	answer(served{URL: server.URL.Scheme + "://" + server.URL.Host + server.URL.Path})
	for {
		var given order
		err := readLine(input, &given)
		if err == io.EOF {
			end(chosen.Directory, 0)
		}
		if err != nil {
			answer(map[string]string{"error": err.Error()})
			continue
		}
		answer(gate.obey(&given))
	}
}

// start makes the inventory and serves it.
func start(chosen *settings) (*gate, *simulator.Server, error) {
	pair, err := tls.LoadX509KeyPair(chosen.Certificate, chosen.Key)
	if err != nil {
		return nil, nil, err
	}
	model := chosen.Inventory.model()
	if err := model.Create(); err != nil {
		return nil, nil, err
	}
	if err := chosen.Inventory.furnish(model.Service); err != nil {
		return nil, nil, err
	}
	simulator.Map.Put(newCollector())
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(chosen.User, chosen.Password)}
	server := model.Service.NewServer()
	gate := newGate(server.Config.Handler)
	server.Config.Handler = gate
	return gate, server, gate.logIn(chosen.User, chosen.Password)
}

// end removes what was made, and exits.
func end(directory string, status int) {
	os.RemoveAll(directory)
	os.Exit(status)
}

func readLine(from *bufio.Reader, into interface{}) error {
	line, err := from.ReadBytes('\n')
	if err != nil {
		return io.EOF
	}
	return json.Unmarshal(line, into)
}

func answer(with interface{}) {
	line, err := json.Marshal(with)
	if err != nil {
		line = []byte(fmt.Sprintf(`{"error": %q}`, err))
	}
	os.Stdout.Write(append(line, '\n'))
}

var _ http.Handler = (*gate)(nil)
