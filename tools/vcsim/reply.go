package main

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const (
	opening = `<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"` +
		` xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<soapenv:Body>`
	closing = `</soapenv:Body></soapenv:Envelope>`
)

// reply is an answer of the gate's own.
type reply struct {
	fault types.BaseMethodFault // nil when it went well
	text  string                // the fault's
	value string                // what is returned, as XML; empty for nothing
}

// write answers a call of a method.
func (a *reply) write(w http.ResponseWriter, method string) {
	var out bytes.Buffer
	out.WriteString(opening)
	if a.fault == nil {
		fmt.Fprintf(&out, `<%sResponse xmlns="urn:vim25">%s</%sResponse>`, method, a.value, method)
	} else {
		writeFault(&out, a.fault, a.text)
	}
	out.WriteString(closing)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if a.fault != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	w.Write(out.Bytes())
}

func writeFault(out *bytes.Buffer, fault types.BaseMethodFault, text string) {
	kind := reflect.TypeOf(fault).Elem().Name()
	out.WriteString(`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>`)
	xml.EscapeText(out, []byte(text))
	out.WriteString(`</faultstring><detail>`)
	encoder := xml.NewEncoder(out)
	encoder.EncodeElement(fault, xml.StartElement{
		Name: xml.Name{Local: kind + "Fault"},
		Attr: []xml.Attr{
			{Name: xml.Name{Local: "xmlns"}, Value: "urn:vim25"},
			{Name: xml.Name{Local: "xsi:type"}, Value: kind},
		},
	})
	out.WriteString(`</detail></soapenv:Fault>`)
}

// envelope makes the request of a method from its arguments as XML.
func envelope(method, arguments string) []byte {
	return []byte(fmt.Sprintf(`%s<%s xmlns="urn:vim25">%s</%s>%s`, opening, method, arguments, method, closing))
}

// faultNamed makes a fault of the vSphere API by its name; objects that it must name are made up.
func faultNamed(name string) (types.BaseMethodFault, error) {
	kind, ok := types.TypeFunc()(name)
	if !ok {
		return nil, fmt.Errorf("there is no fault %q", name)
	}
	fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%q is no fault", name)
	}
	value := reflect.ValueOf(fault).Elem()
	for i := 0; i < value.NumField(); i++ {
		if ref, ok := value.Field(i).Addr().Interface().(*types.ManagedObjectReference); ok {
			kind := value.Type().Field(i).Name
			*ref = types.ManagedObjectReference{Type: kind, Value: strings.ToLower(kind) + "-0"}
		}
	}
	return fault, nil
}
